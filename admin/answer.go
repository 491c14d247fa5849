package admin

import "time"

// Domain is a domain the server receives mail for.
type Domain struct {
	Name     string    `json:"name"`
	CatchAll string    `json:"catch_all,omitempty"`
	Created  time.Time `json:"created"`
}

// Account is someone who has mail here.
type Account struct {
	ID          uint32   `json:"id"`
	Address     string   `json:"address"`
	Addresses   []string `json:"addresses"`
	Senders     []string `json:"senders,omitempty"` // other accounts that may send with these
	Quota       int64    `json:"quota"`             // bytes, 0: none
	MaxMessages int64    `json:"max_messages"`      // 0: no limit
	Admin       bool     `json:"admin"`
	Used        int64    `json:"used"` // bytes
	Messages    int64    `json:"messages"`
	Disabled    bool     `json:"disabled"`
	Scram       bool     `json:"scram"`    // the password is known in the form SCRAM needs
	CRAMMD5     bool     `json:"cram_md5"` // may log in with CRAM-MD5

	Certificates    []Certificate `json:"certificates,omitempty"` // that log in with EXTERNAL
	Created         time.Time     `json:"created"`
	PasswordChanged time.Time     `json:"password_changed"`
	// Password is set only in the answer to a call that has generated it.
	Password string `json:"password,omitempty"`
}

// Alias is an address that stands for others.
type Alias struct {
	Address string   `json:"address"`
	Targets []string `json:"targets"`
}

// Mailbox is one mailbox of an account.
type Mailbox struct {
	Name          string `json:"name"`
	SpecialUse    string `json:"special_use,omitempty"`
	Subscribed    bool   `json:"subscribed"`
	Messages      int64  `json:"messages"`
	Unseen        int64  `json:"unseen"`
	Bytes         int64  `json:"bytes"`
	UIDValidity   uint32 `json:"uidvalidity"`
	UIDNext       uint32 `json:"uidnext"`
	HighestModSeq uint64 `json:"highestmodseq"`
}

// Status is how the server is.
type Status struct {
	Running   bool              `json:"running"`
	Version   string            `json:"version"`
	PID       int               `json:"pid,omitempty"`
	Started   time.Time         `json:"started,omitzero"`
	DataDir   string            `json:"data_dir"`
	Listening map[string]string `json:"listening,omitempty"` // door and address to protocol
	Domains   int               `json:"domains"`
	Accounts  int               `json:"accounts"`
	Aliases   int               `json:"aliases"`
	Messages  int64             `json:"messages"`
	Bytes     int64             `json:"bytes"` // of messages; one that several hold counts for each
	DiskFree  int64             `json:"disk_free"`
	Space     Space             `json:"space"`
	Damage    []string          `json:"damage,omitempty"` // of the store, found by its start or since
}

// AccountQuery names an account and what to do to it; each operation says which
// fields it reads.
type AccountQuery struct {
	Address  string `json:"address"`
	Password string `json:"password,omitempty"` // empty: one is generated
	Quota    *int64 `json:"quota,omitempty"`    // bytes, 0: none; nil: the default
	Messages *int64 `json:"messages,omitempty"` // for account/quota; 0: no limit
	Admin    *bool  `json:"admin,omitempty"`    // for account/set
	CRAMMD5  *bool  `json:"cram_md5,omitempty"` // for account/set
	Disabled bool   `json:"disabled,omitempty"` // for account/disable
	Extra    string `json:"extra,omitempty"`    // of -address and -sender: another address
}

// DomainQuery names a domain.
type DomainQuery struct {
	Name     string `json:"name"`
	CatchAll string `json:"catch_all,omitempty"` // for domain/catch-all, empty: none
}

// CheckQuery chooses what a check looks at.
type CheckQuery struct {
	Bodies bool `json:"bodies"` // read every message and verify it
}

// CheckEvent is one line of a check's answer; one field is set.
type CheckEvent struct {
	Progress *CheckProgress `json:"progress,omitempty"`
	Report   *CheckReport   `json:"report,omitempty"` // the last line
	Error    *Error         `json:"error,omitempty"`  // the last line, instead
}

// CheckProgress tells how far a check is.
type CheckProgress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

// CheckReport is what a check found.
type CheckReport struct {
	Accounts  int64    `json:"accounts"`
	Mailboxes int64    `json:"mailboxes"`
	Messages  int64    `json:"messages"`
	Bodies    int64    `json:"bodies"`
	Problems  []string `json:"problems"`
	// Damaged are those of Problems that are about one message.
	Damaged []DamagedMessage `json:"damaged,omitempty"`
}

// DamagedMessage is a message whose body is damaged or gone.
type DamagedMessage struct {
	Account  string `json:"account"`
	Mailbox  string `json:"mailbox"`
	UID      uint32 `json:"uid"`
	Expunged bool   `json:"expunged,omitempty"` // it could only be brought back
	Reason   string `json:"reason"`
}
