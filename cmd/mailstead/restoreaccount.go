package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"mailstead/admin"
	"mailstead/backup"
	"mailstead/mail"
	"mailstead/transfer"
)

// Errors of what a generation does not have.
var (
	errNoSuchMessage = errors.New("no such message in this generation")
	errNoAccounts    = errors.New("this generation has no accounts.db")
)

// restorable is an account in a generation that is open.
type restorable struct {
	*backup.Opened
	address mail.Address
	id      mail.AccountID
}

// find opens a generation and finds an account in it. Close it.
func (v *restoreVerb) find(ctx context.Context, m *backup.Manifest, address string) (*restorable, error) {
	addr, err := mail.ParseAddress(address)
	if err != nil {
		return nil, fmt.Errorf("account %q: %w: %w", address, err, errUsage)
	}
	b, err := backup.Open(ctx, v.Backup, m, v.Temp)
	if err != nil {
		return nil, err
	}
	if b.Accounts == nil {
		return nil, errors.Join(errNoAccounts, b.Close())
	}
	a, err := b.Accounts.Account(addr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("generation %s: %w", m.Generation, err), b.Close())
	}
	return &restorable{b, a.Address, a.ID}, nil
}

// listMailboxes shows what an account has in a generation.
func (v *restoreVerb) listMailboxes(ctx context.Context, std streams, m *backup.Manifest) (err error) {
	b, err := v.find(ctx, m, v.Of)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	boxes, err := b.Store.Mailboxes(b.id)
	if err != nil {
		return err
	}
	list := []admin.Mailbox{}
	for _, m := range boxes {
		list = append(list, admin.Mailbox{Name: m.Name, SpecialUse: string(m.SpecialUse), Subscribed: m.Subscribed, Messages: int64(m.Messages), Unseen: int64(m.Unseen), Bytes: m.Bytes,
			UIDValidity: m.UIDValidity, UIDNext: uint32(m.UIDNext), HighestModSeq: uint64(m.HighestModSeq)})
	}
	return v.tell(std, list, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "MAILBOX OF %s IN %s\tMESSAGES\tUNSEEN\tSIZE\n", b.address, m.Generation)
		for _, m := range list {
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", m.Name, m.Messages, m.Unseen, bytesText(m.Bytes))
		}
	})
}

// account brings mail of one account back.
func (v *restoreVerb) account(ctx context.Context, std streams, m *backup.Manifest) (err error) {
	b, err := v.find(ctx, m, v.Account)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	src := transfer.StoreSource(b.Store, b.id, transfer.Filter{Mailboxes: v.Mailbox, MessageIDs: v.MessageID})
	boxes, err := src.Mailboxes(ctx)
	if err != nil {
		return err
	}
	switch {
	case len(boxes) == 0 && len(v.MessageID) > 0:
		return errNoSuchMessage
	case len(boxes) < len(v.Mailbox) && len(v.MessageID) == 0:
		return fmt.Errorf("%q: %w in this generation", v.Mailbox, transfer.ErrNoMailbox)
	}
	c, end, err := v.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	dst, made, err := v.target(ctx, c, b)
	if err != nil {
		return err
	}
	show := newMeter(std, "restoring")
	res, err := transfer.Import(ctx, src, dst, transfer.ImportOptions{Into: v.IntoMailbox, DryRun: v.DryRun, Backup: true, Progress: show.update})
	show.end()
	done := "restored"
	if v.DryRun {
		done = "would be restored"
	}
	return errors.Join(resumable(err), v.tell(std, res, func(w *tabwriter.Writer) {
		if made {
			fmt.Fprintf(w, "account %s made again, with its old password\n", b.address)
		}
		tellResult(w, res, done)
	}))
}

// target gives the account to restore into; made tells that it was gone.
func (v *restoreVerb) target(ctx context.Context, c *admin.Client, b *restorable) (a transfer.Account, made bool, err error) {
	a, err = c.Mail(ctx, b.address.String())
	if e, ok := errors.AsType[*admin.Error](err); !ok || e.Code != admin.NotFound {
		return a, false, err
	}
	if !v.Recreate || v.DryRun {
		return nil, false, &hinted{err, "the account is gone; --recreate (without --dry-run) makes it again with its old password"}
	}
	saved, err := b.Accounts.Save(b.address)
	if err == nil {
		err = c.Ask(ctx, "account/adopt", admin.AdoptQuery{Saved: saved}, &admin.Account{})
	}
	if err == nil {
		a, err = c.Mail(ctx, b.address.String())
	}
	return a, true, err
}
