package admin

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"mailstead/accounts"
	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/storage"
)

// Options of New. Accounts, Store and DataDir are needed.
type Options struct {
	Accounts     *accounts.DB
	Store        *storage.Store
	DataDir      string
	DefaultQuota int64 // of new accounts, bytes; 0: none
	Version      string
	// Listening tells what is listened on; nil: no server runs, the data
	// directory is only open for this one command.
	Listening func() map[string]string
	Logger    *slog.Logger
}

// Service does what an administrator asks for. Safe for concurrent use. Its
// errors are *Error.
type Service struct {
	o       Options
	log     *slog.Logger
	started time.Time
	quota   int64
	mu      sync.Mutex // one change of an account at a time, over both databases
}

// New makes a service on an open data directory.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o, log: o.Logger, started: time.Now().UTC().Truncate(time.Second), quota: o.DefaultQuota}
}

// SetDefaultQuota changes the quota of accounts made from now on.
func (s *Service) SetDefaultQuota(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quota = bytes
}

// parse reads an address an administrator has written.
func parse(what, addr string) (mail.Address, error) {
	a, err := mail.ParseAddress(addr)
	if err == nil && a.IsNull() {
		err = fmt.Errorf("is empty")
	}
	if err != nil {
		return a, &Error{Invalid, fmt.Sprintf("%s %q: %v", what, addr, err)}
	}
	return a, nil
}

// AddAccount makes an account with its mailboxes. Reads Address, Password and
// Quota. The domain must be there.
func (s *Service) AddAccount(ctx context.Context, q AccountQuery) (Account, error) {
	addr, err := parse("account", q.Address)
	if err != nil {
		return Account{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := accounts.AddOptions{Quota: s.quota, SkipIDs: s.o.Store.HasAccount}
	if q.Quota != nil {
		o.Quota = *q.Quota
	}
	password, generated := newPassword(q.Password)
	a, err := s.o.Accounts.AddAccount(ctx, addr, password, o)
	if err != nil {
		return Account{}, hint(err, addr)
	}
	if err := s.mailboxes(ctx, a); err != nil {
		return Account{}, err
	}
	s.log.Info("account added", logkey.Account, a.Address.String())
	return s.account(a, generated)
}

// hint tells what to do about a domain that is not there.
func hint(err error, addr mail.Address) error {
	e := AsError(err)
	if e.Code == NotFound && strings.Contains(e.Message, accounts.ErrNotLocal.Error()) {
		e.Message += fmt.Sprintf("; add it with: mailstead domain add %s", addr.Domain)
	}
	return e
}

// mailboxes makes an account in the store, when it is not there.
func (s *Service) mailboxes(ctx context.Context, a accounts.Account) error {
	has, err := s.o.Store.HasAccount(a.ID)
	if err != nil || has {
		return err
	}
	return s.o.Store.CreateAccount(ctx, a.ID, a.Address.String())
}

// Repair makes the mailboxes of accounts that have none: a crash between the
// two steps of AddAccount leaves such. Call it before serving.
func (s *Service) Repair(ctx context.Context) error {
	for _, a := range s.o.Accounts.Accounts() {
		if err := s.mailboxes(ctx, a); err != nil {
			return fmt.Errorf("make mailboxes of %q: %w", a.Address, err)
		}
	}
	return nil
}

// newPassword gives the password to set, and the same when it was made here.
func newPassword(asked string) (password, generated string) {
	if asked != "" {
		return asked, ""
	}
	b := make([]byte, 15) // 120 bits
	_, _ = rand.Read(b)   // never fails
	p := strings.ToLower(base32.StdEncoding.EncodeToString(b))
	p = strings.Join([]string{p[:6], p[6:12], p[12:18], p[18:]}, "-")
	return p, p
}

// account is an account as it is shown.
func (s *Service) account(a accounts.Account, generated string) (Account, error) {
	out := Account{ID: uint32(a.ID), Address: a.Address.String(), Quota: a.Quota, MaxMessages: a.MaxMessages, Admin: a.Admin, Disabled: a.Disabled, Created: a.Created, PasswordChanged: a.PasswordChanged, Password: generated,
		Scram: s.o.Accounts.HasScram(a.ID), CRAMMD5: a.CRAMMD5, Certificates: certificates(a)}
	for _, addr := range a.Addresses {
		out.Addresses = append(out.Addresses, addr.String())
	}
	for _, id := range a.Senders {
		if who, err := s.o.Accounts.AccountByID(id); err == nil {
			out.Senders = append(out.Senders, who.Address.String())
		}
	}
	has, err := s.o.Store.HasAccount(a.ID)
	if err != nil || !has {
		return out, err
	}
	u, err := s.o.Store.Usage(a.ID)
	out.Used, out.Messages = u.Bytes, u.Messages
	return out, err
}

// Accounts lists the accounts.
func (s *Service) Accounts(context.Context, struct{}) ([]Account, error) {
	list := []Account{}
	for _, a := range s.o.Accounts.Accounts() {
		one, err := s.account(a, "")
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// Account shows one account. Reads Address.
func (s *Service) Account(_ context.Context, q AccountQuery) (Account, error) {
	a, err := s.find(q.Address)
	if err != nil {
		return Account{}, err
	}
	return s.account(a, "")
}

func (s *Service) find(address string) (accounts.Account, error) {
	addr, err := parse("account", address)
	if err != nil {
		return accounts.Account{}, err
	}
	return s.o.Accounts.Account(addr)
}

// edit changes one account and shows it.
func (s *Service) edit(address, event string, change func(mail.Address) error) (Account, error) {
	addr, err := parse("account", address)
	if err != nil {
		return Account{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := change(addr); err != nil {
		return Account{}, hint(err, addr)
	}
	a, err := s.o.Accounts.Account(addr)
	if err != nil {
		return Account{}, err
	}
	s.log.Info(event, logkey.Account, a.Address.String())
	return s.account(a, "")
}

// SetPassword gives an account a new password, which ends its sessions. Reads
// Address and Password.
func (s *Service) SetPassword(ctx context.Context, q AccountQuery) (Account, error) {
	password, generated := newPassword(q.Password)
	a, err := s.edit(q.Address, "password changed", func(addr mail.Address) error { return s.o.Accounts.SetPassword(ctx, addr, password) })
	a.Password = generated
	if err != nil {
		a.Password = ""
	}
	return a, err
}

// SetDisabled forbids or allows login; a disabled account still receives. Reads
// Address and Disabled.
func (s *Service) SetDisabled(ctx context.Context, q AccountQuery) (Account, error) {
	event := "account enabled"
	if q.Disabled {
		event = "account disabled"
	}
	return s.edit(q.Address, event, func(addr mail.Address) error { return s.o.Accounts.SetDisabled(ctx, addr, q.Disabled) })
}

// SetQuota limits what an account may hold. Reads Address, and Quota, Messages
// or both; a limit that is not given stays.
func (s *Service) SetQuota(ctx context.Context, q AccountQuery) (Account, error) {
	if q.Quota == nil && q.Messages == nil {
		return Account{}, &Error{Invalid, "quota is missing"}
	}
	return s.edit(q.Address, "quota changed", func(addr mail.Address) error {
		a, err := s.o.Accounts.Account(addr)
		if err != nil {
			return err
		}
		if q.Quota != nil {
			a.Quota = *q.Quota
		}
		if q.Messages != nil {
			a.MaxMessages = *q.Messages
		}
		return s.o.Accounts.SetLimits(ctx, addr, a.Quota, a.MaxMessages)
	})
}

// Set changes what an account may do. Reads Address, and Admin, CRAMMD5 or both.
func (s *Service) Set(ctx context.Context, q AccountQuery) (Account, error) {
	if q.Admin == nil && q.CRAMMD5 == nil {
		return Account{}, &Error{Invalid, "nothing to set"}
	}
	return s.edit(q.Address, "rights of account changed", func(addr mail.Address) error {
		if q.Admin != nil {
			if err := s.o.Accounts.SetAdmin(ctx, addr, *q.Admin); err != nil {
				return err
			}
		}
		if q.CRAMMD5 != nil {
			return s.o.Accounts.SetCRAMMD5(ctx, addr, *q.CRAMMD5)
		}
		return nil
	})
}

// AddAddress gives an account one more address of its own. Reads Address and
// Extra.
func (s *Service) AddAddress(ctx context.Context, q AccountQuery) (Account, error) {
	extra, err := parse("address", q.Extra)
	if err != nil {
		return Account{}, err
	}
	return s.edit(q.Address, "address added", func(addr mail.Address) error { return s.o.Accounts.AddAddress(ctx, addr, extra) })
}

// RemoveAddress takes an address from the account that has it. Reads Address
// and Extra.
func (s *Service) RemoveAddress(ctx context.Context, q AccountQuery) (Account, error) {
	extra, err := parse("address", q.Extra)
	if err != nil {
		return Account{}, err
	}
	return s.edit(q.Address, "address removed", func(addr mail.Address) error {
		a, err := s.o.Accounts.Account(addr)
		if err != nil {
			return err
		}
		for _, own := range a.Addresses {
			if own.Key() == extra.Key() {
				return stillNeeded(s.o.Accounts.RemoveAddress(ctx, extra))
			}
		}
		return &Error{NotFound, fmt.Sprintf("%q is no address of account %q", extra, a.Address)}
	})
}

// RemoveAccount removes an account and all its mail. Reads Address. The answer
// is what was removed.
func (s *Service) RemoveAccount(ctx context.Context, q AccountQuery) (Account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.find(q.Address)
	if err != nil {
		return Account{}, err
	}
	out, err := s.account(a, "")
	if err != nil {
		return out, err
	}
	// From here nobody can log in and nothing is delivered; a crash leaves mail
	// that check tells of.
	if err := s.o.Accounts.RemoveAccount(ctx, a.Address); err != nil {
		return out, stillNeeded(err)
	}
	if has, err := s.o.Store.HasAccount(a.ID); err != nil || !has {
		return out, err
	}
	if err := s.o.Store.RemoveAccount(ctx, a.ID); err != nil {
		return out, err
	}
	s.log.Info("account removed", logkey.Account, a.Address.String(), logkey.Count, out.Messages)
	return out, nil
}

// stillNeeded explains a removal after which an alias or catch-all would lead
// nowhere.
func stillNeeded(err error) error {
	if errors.Is(err, accounts.ErrUnknownAddress) {
		return &Error{InUse, fmt.Sprintf("still in use: %v without it; change that first", err)}
	}
	return err
}

// Mailboxes lists an account's mailboxes. Reads Address.
func (s *Service) Mailboxes(_ context.Context, q AccountQuery) ([]Mailbox, error) {
	a, err := s.find(q.Address)
	if err != nil {
		return nil, err
	}
	boxes, err := s.o.Store.Mailboxes(a.ID)
	if err != nil {
		return nil, err
	}
	list := []Mailbox{}
	for _, m := range boxes {
		list = append(list, Mailbox{Name: m.Name, SpecialUse: string(m.SpecialUse), Subscribed: m.Subscribed, Messages: int64(m.Messages), Unseen: int64(m.Unseen), Bytes: m.Bytes,
			UIDValidity: m.UIDValidity, UIDNext: uint32(m.UIDNext), HighestModSeq: uint64(m.HighestModSeq)})
	}
	return list, nil
}

// Status tells how the server is.
func (s *Service) Status(ctx context.Context, _ struct{}) (Status, error) {
	st := Status{Version: s.o.Version, DataDir: s.o.DataDir, Domains: len(s.o.Accounts.Domains()), Accounts: len(s.o.Accounts.Accounts()), Aliases: len(s.o.Accounts.Aliases())}
	if s.o.Listening != nil {
		st.Running, st.PID, st.Started, st.Listening = true, os.Getpid(), s.started, s.o.Listening()
	}
	list, err := s.Accounts(ctx, struct{}{})
	if err != nil && !errors.Is(err, storage.ErrDamaged) { // that is told as Damage
		return st, err
	}
	for _, a := range list {
		st.Messages += a.Messages
		st.Bytes += a.Used
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(s.o.DataDir, &fs); err != nil {
		return st, fmt.Errorf("look for free space: %w", err)
	}
	st.DiskFree = int64(fs.Bavail) * fs.Bsize
	st.Damage = s.o.Store.NotedDamage()
	st.Space, err = s.Space(ctx, struct{}{})
	return st, err
}
