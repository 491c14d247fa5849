package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"mailstead/storage"
)

// ImportOptions of Import. The zero value works.
type ImportOptions struct {
	// Into puts everything under this mailbox: what would go to INBOX, or the
	// only mailbox there is, into itself, all other mailboxes below it.
	Into   string
	DryRun bool // only look
	// Backup says that the source is the same account at an earlier time, so that
	// its UIDs are kept where that is possible: mailboxes that never had a message
	// take the source's UIDVALIDITY, and UIDs that may have been given out since
	// are left out.
	Backup bool
	// Progress is called often, by one goroutine at a time. Nil: not.
	Progress func(Progress)
}

// Import copies what the source has into the sink and leaves alone what is
// there already, flags too. It stops only when the sink can take nothing more;
// the result then tells how far it came, and calling it again goes on.
func Import(ctx context.Context, src Source, dst Sink, o ImportOptions) (*Result, error) {
	im := &importer{src: src, dst: dst, o: o, res: &Result{DryRun: o.DryRun, Mailboxes: []MailboxResult{}, Problems: []Problem{}}, have: map[string]Mailbox{}, words: map[string]bool{}}
	boxes, err := src.Mailboxes(ctx)
	if err != nil {
		return im.res, fmt.Errorf("list mailboxes to import: %w", err)
	}
	have, err := dst.Mailboxes(ctx)
	if err != nil {
		return im.res, fmt.Errorf("list mailboxes of the account: %w", err)
	}
	for _, m := range have {
		im.have[m.Name] = m
	}
	for _, m := range boxes {
		im.total += m.Messages
	}
	for _, m := range boxes {
		if err := im.mailbox(ctx, m, len(boxes) == 1); err != nil {
			return im.res, err
		}
	}
	return im.res, nil
}

// importer is one import under way.
type importer struct {
	src   Source
	dst   Sink
	o     ImportOptions
	res   *Result
	total int64
	have  map[string]Mailbox // of the sink, by name
	words map[string]bool    // keywords met
}

// mailbox imports one mailbox of the source.
func (im *importer) mailbox(ctx context.Context, from Mailbox, only bool) error {
	name, err := im.name(from.Name, only)
	if err != nil {
		im.res.skip(from.Name, "", err)
		return nil
	}
	to, found := im.have[name]
	if !found {
		if to, err = im.create(ctx, from, name); err != nil {
			return err
		}
		im.have[name] = to
	}
	if from.Subscribed && !to.Subscribed && !im.o.DryRun {
		if err := im.dst.Subscribe(ctx, name); err != nil {
			return fmt.Errorf("subscribe to %q: %w", name, err)
		}
	}
	im.res.Mailboxes = append(im.res.Mailboxes, MailboxResult{Name: name, New: !found})
	if to, err = im.adopt(ctx, from, to); err != nil {
		return err
	}
	err = im.messages(ctx, from, to)
	if err == nil {
		err = im.reserve(ctx, from, to)
	}
	if !im.o.DryRun {
		to.Messages += im.res.Mailboxes[len(im.res.Mailboxes)-1].Copied // another of the source may go here too
		im.have[name] = to
	}
	return err
}

// adopt gives a mailbox that never had a message the UIDs of the source.
func (im *importer) adopt(ctx context.Context, from, to Mailbox) (Mailbox, error) {
	if !im.o.Backup || im.o.DryRun || to.UIDNext != 1 {
		return to, nil
	}
	to.UIDValidity, to.ModSeq = from.UIDValidity, from.ModSeq+spareModSeqs
	to, err := im.dst.Adopt(ctx, to)
	if err != nil {
		return to, fmt.Errorf("take over UIDs of %q: %w", from.Name, err)
	}
	return to, nil
}

// More than is given out between two backups.
const (
	spareUIDs    = 1 << 16
	spareModSeqs = 1 << 32
)

// reserve keeps UIDs that the source has given out from being given out again
// under the same UIDVALIDITY (RFC 9051 §2.3.1.1).
func (im *importer) reserve(ctx context.Context, from, to Mailbox) error {
	if im.o.DryRun || from.UIDValidity == 0 || from.UIDValidity != to.UIDValidity || to.UIDNext > from.UIDNext {
		return nil
	}
	next := uint64(from.UIDNext)
	if im.o.Backup {
		next += spareUIDs
	}
	to.UIDNext = storage.UID(min(next, 1<<32-1))
	if _, err := im.dst.Adopt(ctx, to); err != nil {
		return fmt.Errorf("reserve UIDs of %q: %w", to.Name, err)
	}
	return nil
}

// create makes a mailbox as the source has it; when the sink cannot, it makes
// it as it can.
func (im *importer) create(ctx context.Context, from Mailbox, name string) (Mailbox, error) {
	want := Mailbox{Name: name, SpecialUse: from.SpecialUse, UIDValidity: from.UIDValidity, UIDNext: from.UIDNext}
	for _, m := range im.have {
		want.SpecialUse = want.SpecialUse.Without(m.SpecialUse) // one mailbox has a use
	}
	if im.o.DryRun {
		return want, nil
	}
	made, err := im.dst.Create(ctx, want)
	if err != nil {
		return made, fmt.Errorf("create mailbox %q: %w", name, err)
	}
	return made, nil
}

// name says where a mailbox of the source goes.
func (im *importer) name(name string, only bool) (string, error) {
	switch {
	case im.o.Into == "":
	case only || strings.EqualFold(name, "INBOX"):
		name = im.o.Into
	default:
		name = im.o.Into + "/" + name
	}
	clean, err := storage.CleanName(tidyName(name))
	if err != nil {
		return "", fmt.Errorf("mailbox name %q: %w", name, err)
	}
	return clean, nil
}

// tidyName makes a name of another system one that the store takes: levels
// without a name fall away, what is not allowed becomes "_".
func tidyName(name string) string {
	var levels []string
	for l := range strings.SplitSeq(strings.ToValidUTF8(name, "_"), "/") {
		l = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
				return '_'
			}
			return r
		}, l)
		if l != "" {
			levels = append(levels, l)
		}
	}
	return strings.Join(levels, "/")
}

// messages imports the messages of a mailbox: one goroutine reads and compares,
// another appends, in order, so that UIDs follow the order of the source.
func (im *importer) messages(ctx context.Context, from, to Mailbox) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := &feeder{im: im, to: to, out: make(chan []*parcel, 1), keepUIDs: from.UIDValidity != 0 && from.UIDValidity == to.UIDValidity}
	if err := f.load(ctx); err != nil {
		return fmt.Errorf("read mailbox %q: %w", to.Name, err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for batch := range f.out {
			if err := f.append(ctx, batch); err != nil {
				cancel(fmt.Errorf("append to %q: %w", to.Name, err))
			}
		}
	}()
	f.read(ctx, from)
	close(f.out)
	<-sent
	return context.Cause(ctx)
}

// keywords gives those of a message that the store can keep.
func (im *importer) keywords(list []string) (out []string, err error) {
	for _, k := range list {
		switch {
		case !validKeyword(k):
			err = fmt.Errorf("keyword %q left out", k)
		case !im.words[strings.ToLower(k)] && len(im.words) >= storage.MaxKeywords:
			err = errors.New("keyword left out, the account has too many")
		default:
			im.words[strings.ToLower(k)] = true
			out = append(out, k)
		}
	}
	return out, err
}

// validKeyword tells whether k is an atom (RFC 9051 §9 flag-keyword).
func validKeyword(k string) bool {
	for i := range len(k) {
		if k[i] <= ' ' || k[i] >= 0x7f || strings.IndexByte(`(){%*"\]`, k[i]) >= 0 {
			return false
		}
	}
	return k != "" && len(k) <= storage.MaxKeywordBytes
}
