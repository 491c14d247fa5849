package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"mailstead/admin"
)

// mailboxArg names a mailbox.
type mailboxArg struct {
	Owner   string `arg:"" help:"The account whose mailbox it is."`
	Mailbox string `arg:"" help:"The mailbox, like INBOX or Lists/golang."`
}

// whoArg names an entry of a mailbox's access control list.
type whoArg struct {
	Who  string `arg:"" help:"The account that is to use it, or anyone: every account of the server."`
	Deny bool   `help:"Take the rights away, whatever else gives them; an entry of its own."`
}

// mailboxShareVerb is mailstead mailbox share.
type mailboxShareVerb struct {
	mailboxArg
	whoArg
	Rights string `arg:"" help:"read, write, all, or letters of RFC 4314: l list, r read, s seen, w flags, i insert, p post, k create below, x delete, t mark as deleted, e expunge, a administer. With + before them they are added to those there are, with - (after --, so that it is no flag) taken away."`
	reach
}

// Run is called by kong.
func (v *mailboxShareVerb) Run(std streams) error {
	return sharing(&v.reach, std, "mailbox/share", admin.ShareQuery{Address: v.Owner, Mailbox: v.Mailbox, Who: v.Who, Rights: v.Rights, Deny: v.Deny})
}

// mailboxUnshareVerb is mailstead mailbox unshare.
type mailboxUnshareVerb struct {
	mailboxArg
	whoArg
	reach
}

// Run is called by kong.
func (v *mailboxUnshareVerb) Run(std streams) error {
	return sharing(&v.reach, std, "mailbox/unshare", admin.ShareQuery{Address: v.Owner, Mailbox: v.Mailbox, Who: v.Who, Deny: v.Deny})
}

// mailboxRightsVerb is mailstead mailbox rights.
type mailboxRightsVerb struct {
	mailboxArg
	reach
}

// Run is called by kong.
func (v *mailboxRightsVerb) Run(std streams) error {
	return sharing(&v.reach, std, "mailbox/rights", admin.ShareQuery{Address: v.Owner, Mailbox: v.Mailbox})
}

func sharing(r *reach, std streams, op string, q admin.ShareQuery) error {
	var s admin.Sharing
	if err := r.ask(op, q, &s); err != nil {
		return err
	}
	return r.tell(std, s, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "WHO\tRIGHTS\t(%s of %s)\n", s.Mailbox, s.Address)
		for _, e := range s.Entries {
			rights := orDash(e.Rights)
			if e.Deny {
				rights = "not " + rights
			}
			fmt.Fprintf(w, "%s\t%s\t\n", e.Who, rights)
		}
	})
}

// senderArg names who may send for whom.
type senderArg struct {
	Owner string `arg:"" help:"The account whose addresses are sent with."`
	Who   string `arg:"" help:"The account that sends."`
}

// sendAsAddVerb is mailstead account sendas add.
type sendAsAddVerb struct {
	senderArg
	reach
}

// Run is called by kong.
func (v *sendAsAddVerb) Run(std streams) error {
	return senders(&v.reach, std, "account/add-sender", admin.AccountQuery{Address: v.Owner, Extra: v.Who})
}

// sendAsRemoveVerb is mailstead account sendas remove.
type sendAsRemoveVerb struct {
	senderArg
	reach
}

// Run is called by kong.
func (v *sendAsRemoveVerb) Run(std streams) error {
	return senders(&v.reach, std, "account/remove-sender", admin.AccountQuery{Address: v.Owner, Extra: v.Who})
}

// sendAsListVerb is mailstead account sendas list.
type sendAsListVerb struct {
	Owner string `arg:"" help:"The account whose addresses are sent with."`
	reach
}

// Run is called by kong.
func (v *sendAsListVerb) Run(std streams) error {
	return senders(&v.reach, std, "account/show", admin.AccountQuery{Address: v.Owner})
}

func senders(r *reach, std streams, op string, q admin.AccountQuery) error {
	var a admin.Account
	if err := r.ask(op, q, &a); err != nil {
		return err
	}
	return r.tell(std, a, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "%s: others who may send as %s: %s\n", a.Address, strings.Join(a.Addresses, ", "), orDash(strings.Join(a.Senders, ", ")))
	})
}
