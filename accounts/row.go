package accounts

import (
	"encoding/binary"
	"fmt"
	"time"

	"mailstead/mail"
)

// rowVersion begins every row. Rows are hand-packed: the version, then varints
// and strings with their length before them.
const rowVersion = 1

// recordVersion is that of accounts. Version 2 has a limit of messages, and
// administrators; version 3 those who may send with the account's addresses;
// version 4 the secrets of challenges, and certificates.
const recordVersion = 4

// record is an account with its password, as a row has it.
type record struct {
	Account
	password string // PHC string or bcrypt
	secrets
}

const (
	flagDisabled = 1 << iota
	flagAdmin
	flagCRAMMD5
)

func appendDomain(b []byte, d Domain) []byte {
	w := packer{append(b, rowVersion)}
	w.str(d.Name)
	w.address(d.CatchAll)
	w.time(d.Created)
	return w.b
}

func decodeDomain(b []byte) (Domain, error) {
	r, err := unpack(b, rowVersion)
	if err != nil {
		return Domain{}, err
	}
	d := Domain{Name: r.str(), CatchAll: r.address(), Created: r.time()}
	return d, r.done()
}

func appendRecord(b []byte, a *record) []byte {
	w := packer{append(b, recordVersion)}
	w.uint(uint64(a.ID))
	w.address(a.Address)
	w.addresses(a.Addresses)
	w.uint(uint64(a.Quota))
	var flags uint64
	if a.Disabled {
		flags |= flagDisabled
	}
	if a.Admin {
		flags |= flagAdmin
	}
	if a.CRAMMD5 {
		flags |= flagCRAMMD5
	}
	w.uint(flags)
	w.time(a.Created)
	w.str(a.password)
	w.time(a.PasswordChanged)
	w.uint(uint64(a.MaxMessages))
	w.uint(uint64(len(a.Senders)))
	for _, id := range a.Senders {
		w.uint(uint64(id))
	}
	appendSecrets(&w, a)
	return w.b
}

func decodeRecord(b []byte) (*record, error) {
	r, err := unpack(b, recordVersion)
	if err != nil {
		return nil, err
	}
	a := &record{}
	id := r.uint()
	a.Address = r.address()
	a.Addresses = r.addresses()
	a.Quota = int64(r.uint())
	flags := r.uint()
	a.Disabled, a.Admin = flags&flagDisabled != 0, flags&flagAdmin != 0
	a.Created = r.time()
	a.password = r.str()
	a.PasswordChanged = r.time()
	known := uint64(flagDisabled)
	if b[0] > 1 {
		a.MaxMessages = int64(r.uint())
		known |= flagAdmin
	}
	if b[0] > 2 {
		a.Senders = r.senders()
	}
	if b[0] > 3 {
		known |= flagCRAMMD5
		a.CRAMMD5 = flags&flagCRAMMD5 != 0
		r.secrets(a)
	}
	if id == 0 || id > maxAccountID || a.Quota < 0 || a.MaxMessages < 0 || flags&^known != 0 {
		r.bad = true
	}
	a.ID = mail.AccountID(id)
	return a, r.done()
}

// senders reads account numbers, which ascend.
func (r *unpacker) senders() (list []mail.AccountID) {
	n := r.uint()
	if n > maxSenders {
		r.bad = true
		return nil
	}
	for range n {
		id := r.uint()
		if id == 0 || id > maxAccountID || len(list) > 0 && mail.AccountID(id) <= list[len(list)-1] {
			r.bad = true
			return nil
		}
		list = append(list, mail.AccountID(id))
	}
	return list
}

func appendAlias(b []byte, a Alias) []byte {
	w := packer{append(b, rowVersion)}
	w.address(a.Address)
	w.addresses(a.Targets)
	w.time(a.Created)
	return w.b
}

func decodeAlias(b []byte) (Alias, error) {
	r, err := unpack(b, rowVersion)
	if err != nil {
		return Alias{}, err
	}
	a := Alias{Address: r.address(), Targets: r.addresses(), Created: r.time()}
	return a, r.done()
}

type packer struct{ b []byte }

func (w *packer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *packer) str(s string)  { w.uint(uint64(len(s))); w.b = append(w.b, s...) }

func (w *packer) address(a mail.Address) { w.str(a.Local); w.str(a.Domain) }

func (w *packer) addresses(l []mail.Address) {
	w.uint(uint64(len(l)))
	for _, a := range l {
		w.address(a)
	}
}

// time is packed in whole seconds; the zero time is 0.
func (w *packer) time(t time.Time) {
	if t.IsZero() {
		w.uint(0)
		return
	}
	w.uint(uint64(max(t.Unix(), 1)))
}

// unpacker reads a row. After a field that cannot be read every other is zero.
type unpacker struct {
	b   []byte
	bad bool
}

// unpack begins to read a row of a version up to newest.
func unpack(b []byte, newest byte) (*unpacker, error) {
	if len(b) == 0 {
		return nil, ErrDamaged
	}
	if b[0] > newest {
		return nil, fmt.Errorf("row has version %d, this program knows versions up to %d: %w", b[0], newest, ErrNewerFormat)
	}
	if b[0] == 0 {
		return nil, ErrDamaged
	}
	return &unpacker{b: b[1:]}, nil
}

// done tells whether the row was read to its end without fault.
func (r *unpacker) done() error {
	if r.bad || len(r.b) > 0 {
		return ErrDamaged
	}
	return nil
}

func (r *unpacker) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *unpacker) str() string {
	n := r.uint()
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *unpacker) address() mail.Address {
	return mail.Address{Local: r.str(), Domain: r.str()}
}

func (r *unpacker) addresses() []mail.Address {
	n := r.uint()
	// Two length bytes at least for each: a damaged count allocates nothing.
	if r.bad || n > uint64(len(r.b)/2) {
		r.bad = true
		return nil
	}
	l := make([]mail.Address, n)
	for i := range l {
		l[i] = r.address()
	}
	return l
}

func (r *unpacker) time() time.Time {
	v := r.uint()
	if v == 0 {
		return time.Time{}
	}
	if v > maxUnix {
		r.bad = true
		return time.Time{}
	}
	return time.Unix(int64(v), 0).UTC()
}

// maxUnix is the end of the year 9999, the last that JSON can carry.
const maxUnix = 253402300799
