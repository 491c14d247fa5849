package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"mailstead/admin"
	"mailstead/cmd/mailstead/internal/config"
)

// moment is a point in time: how long ago, or a date.
type moment struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *moment) UnmarshalText(b []byte) error {
	if ago, err := config.ParseDuration(string(b)); err == nil {
		m.Time = time.Now().Add(-time.Duration(ago))
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, string(b), time.Local); err == nil {
			m.Time = t
			return nil
		}
	}
	return fmt.Errorf(`must be how long ago, like "2d" or "90m", or a date like "2006-01-02" or "2006-01-02 15:04:05" (got %q)`, b)
}

// expungedFilter chooses expunged messages.
type expungedFilter struct {
	Mailbox   string `help:"Only those that were in this mailbox." placeholder:"NAME"`
	Since     moment `help:"Only those expunged since then: how long ago, like 2d, or a date." placeholder:"TIME"`
	Before    moment `help:"Only those expunged before then." placeholder:"TIME"`
	Subject   string `help:"Only those with this in the subject." placeholder:"TEXT"`
	From      string `help:"Only those with this in From, name or address." placeholder:"TEXT"`
	MessageID string `help:"Only the one with this Message-ID." placeholder:"ID"`
}

func (f expungedFilter) query(address string) admin.UndeleteQuery {
	return admin.UndeleteQuery{Address: address, Mailbox: f.Mailbox, Since: f.Since.Time, Before: f.Before.Time, Subject: f.Subject, From: f.From, MessageID: f.MessageID}
}

// undeleteListVerb is mailstead undelete list.
type undeleteListVerb struct {
	accountArg
	expungedFilter
	reach
}

// Run is called by kong.
func (v *undeleteListVerb) Run(std streams) error {
	return v.long(func(ctx context.Context, c *admin.Client) error {
		rep, err := v.list(ctx, c, std, v.query(v.Address))
		if err != nil || v.JSON {
			return err
		}
		_, err = fmt.Fprintf(std.out, "%s, %s\n", count(rep.Messages, "message"), bytesText(rep.Bytes))
		return err
	})
}

// list prints expunged messages as they come: lines, or with --json one array.
func (r reach) list(ctx context.Context, c *admin.Client, std streams, q admin.UndeleteQuery) (admin.UndeleteReport, error) {
	before, after := "[", "]\n"
	tell := func(e admin.Expunged) error {
		b, err := json.Marshal(e)
		if err == nil {
			_, err = fmt.Fprintf(std.out, "%s\n  %s", before, b)
		}
		before, after = ",", "\n]\n"
		return err
	}
	if !r.JSON {
		before, after = "", ""
		tell = func(e admin.Expunged) error {
			_, err := fmt.Fprintf(std.out, "%s  %s  UID %d  %s  %s  %s\n", e.Expunged.Local().Format(time.DateTime), printable(e.Mailbox), e.UID, bytesText(e.Size), printable(e.From), printable(e.Subject))
			return err
		}
	}
	rep, err := admin.Follow[admin.Expunged, admin.UndeleteReport](ctx, c, "undelete/list", q, admin.Listener[admin.Expunged]{Item: tell})
	if err == nil && r.JSON {
		if after == "]\n" {
			after = before + after // nothing was found
		}
		_, err = fmt.Fprint(std.out, after)
	}
	return rep, err
}

// printable is a sender's text without what would steer a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// undeleteRestoreVerb is mailstead undelete restore.
type undeleteRestoreVerb struct {
	accountArg
	expungedFilter
	Into   string `help:"Put them into this mailbox; without it each goes where it was, or to one of that name, or to INBOX." placeholder:"NAME"`
	DryRun bool   `help:"Only say what would be brought back."`
	reach
}

// Run is called by kong.
func (v *undeleteRestoreVerb) Run(std streams) error {
	q := v.query(v.Address)
	return v.long(func(ctx context.Context, c *admin.Client) error {
		if v.DryRun {
			rep, err := v.list(ctx, c, std, q)
			if err != nil || v.JSON {
				return err
			}
			_, err = fmt.Fprintf(std.out, "would bring back %s, %s\n", count(rep.Messages, "message"), bytesText(rep.Bytes))
			return err
		}
		q.Into = v.Into
		show := newProgress(std)
		rep, err := admin.Follow[any, admin.UndeleteReport](ctx, c, "undelete/restore", q, admin.Listener[any]{Progress: func(p admin.Progress) {
			show.show(func() string { return fmt.Sprintf("bringing back: %s", count(p.Done, "message")) })
		}})
		show.end()
		if err != nil {
			return err
		}
		return v.tell(std, rep, func(w *tabwriter.Writer) {
			fmt.Fprintf(w, "brought back %s, %s\n", count(rep.Messages, "message"), bytesText(rep.Bytes))
			for _, name := range slices.Sorted(maps.Keys(rep.Mailboxes)) {
				fmt.Fprintf(w, "  %s\t%d\n", name, rep.Mailboxes[name])
			}
		})
	})
}

// undeletePurgeVerb is mailstead undelete purge.
type undeletePurgeVerb struct {
	accountArg
	Before moment `help:"Only what was expunged before then: how long ago, like 2d, or a date; without it all." placeholder:"TIME"`
	Yes    bool   `help:"Do not ask."`
	DryRun bool   `help:"Only say what would be given up."`
	reach
}

// Run is called by kong.
func (v *undeletePurgeVerb) Run(std streams) error {
	q := admin.UndeleteQuery{Address: v.Address, Before: v.Before.Time}
	if q.Before.IsZero() {
		q.Before = time.Now().Add(time.Second) // times are whole seconds
	}
	return v.long(func(ctx context.Context, c *admin.Client) error {
		rep, err := admin.Follow[any, admin.UndeleteReport](ctx, c, "undelete/list", q, admin.Listener[any]{})
		if err != nil {
			return err
		}
		what := fmt.Sprintf("%s of account %s, %s", count(rep.Messages, "expunged message"), v.Address, bytesText(rep.Bytes))
		if v.DryRun {
			return v.tell(std, rep, func(w *tabwriter.Writer) { fmt.Fprintf(w, "would give up %s\n", what) })
		}
		if !v.Yes {
			if ok, err := confirm(std, fmt.Sprintf("This gives up %s, for good.", what)); err != nil || !ok {
				return err
			}
		}
		if rep, err = admin.Follow[any, admin.UndeleteReport](ctx, c, "undelete/purge", q, admin.Listener[any]{}); err != nil {
			return err
		}
		return v.tell(std, rep, func(w *tabwriter.Writer) {
			fmt.Fprintf(w, "gave up %s of account %s, %s\n", count(rep.Messages, "expunged message"), v.Address, bytesText(rep.Bytes))
		})
	})
}
