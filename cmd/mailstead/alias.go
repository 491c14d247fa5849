package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"mailstead/admin"
)

// aliasSetVerb is mailstead alias set.
type aliasSetVerb struct {
	Address string   `arg:"" help:"The alias, like info@example.org."`
	Targets []string `arg:"" help:"Addresses of this server that get the mail."`
	reach
}

// Run is called by kong.
func (v *aliasSetVerb) Run(std streams) error {
	var a admin.Alias
	if err := v.ask("alias/set", admin.Alias{Address: v.Address, Targets: v.Targets}, &a); err != nil {
		return err
	}
	return v.tell(std, a, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "alias %s stands for %s\n", a.Address, strings.Join(a.Targets, ", "))
	})
}

// aliasRemoveVerb is mailstead alias remove.
type aliasRemoveVerb struct {
	Address string `arg:"" help:"The alias."`
	reach
}

// Run is called by kong.
func (v *aliasRemoveVerb) Run(std streams) error {
	var a admin.Alias
	if err := v.ask("alias/remove", admin.Alias{Address: v.Address}, &a); err != nil {
		return err
	}
	return v.tell(std, a, func(w *tabwriter.Writer) { fmt.Fprintf(w, "alias %s removed\n", a.Address) })
}

// aliasListVerb is mailstead alias list.
type aliasListVerb struct{ reach }

// Run is called by kong.
func (v *aliasListVerb) Run(std streams) error {
	var list []admin.Alias
	if err := v.ask("alias/list", struct{}{}, &list); err != nil {
		return err
	}
	return v.tell(std, list, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "ALIAS\tTARGETS")
		for _, a := range list {
			fmt.Fprintf(w, "%s\t%s\n", a.Address, strings.Join(a.Targets, ", "))
		}
	})
}

// mailboxListVerb is mailstead mailbox list.
type mailboxListVerb struct {
	accountArg
	reach
}

// Run is called by kong.
func (v *mailboxListVerb) Run(std streams) error {
	var list []admin.Mailbox
	if err := v.ask("mailbox/list", admin.AccountQuery{Address: v.Address}, &list); err != nil {
		return err
	}
	return v.tell(std, list, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "MAILBOX\tUSE\tMESSAGES\tUNSEEN\tSIZE")
		for _, m := range list {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", m.Name, orDash(m.SpecialUse), m.Messages, m.Unseen, bytesText(m.Bytes))
		}
	})
}
