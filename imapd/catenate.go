package imapd

import (
	"errors"
	"io"
	"path"
	"strings"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// badURL refuses a CATENATE because of one of its URLs (RFC 4469 §4.1). The code
// holds the URL as it is; what its grammar excludes is percent-encoded.
func badURL(url string) protocolError {
	url = strings.NewReplacer("]", "%5D", `\`, "%5C").Replace(url)
	return protocolError{no("BADURL "+url, "That URL can't be had")}
}

// fromURL appends what a URL names, as FETCH BODY.PEEK[] would give it.
func (in *receiving) fromURL(url string) error {
	u, ok := wire.ParseMessageURL(url)
	if !ok {
		return badURL(url)
	}
	ref, ok, err := in.s.urlMailbox(u)
	if err != nil {
		return err
	}
	if !ok {
		return badURL(url)
	}
	store := in.s.srv.o.Store
	uid := storage.UID(u.UID)
	for row, err := range store.Rows(ref, storage.UIDs(uid), storage.ReadOptions{Message: true}) {
		if err != nil {
			return err
		}
		if row.Message == nil {
			return storage.ErrDamaged
		}
		body, err := store.OpenBody(in.ctx, ref, uid)
		if errors.Is(err, storage.ErrNoMessage) {
			return badURL(url)
		}
		if err != nil {
			return err
		}
		defer body.Close()
		p, err := pieceOf(row.Message, body, u.Section)
		if err == nil {
			p, err = p.partial(u.Section.Partial)
		}
		if err != nil {
			return err
		}
		if p.absent {
			return badURL(url)
		}
		if err := in.allows(p.size); err != nil {
			return err
		}
		in.binary = true // octets are copied unchanged
		if p.data != nil {
			_, err = in.Write(p.data)
			return err
		}
		_, err = io.CopyN(in, p.reader, p.size)
		return err
	}
	return badURL(url) // no such message
}

// urlMailbox finds the mailbox of a URL. It is relative to the one that is
// selected (RFC 4469 §3): the path of that one without its last level is put
// before it, and nothing when none is.
func (s *session) urlMailbox(u wire.MessageURL) (ref storage.Ref, ok bool, err error) {
	name := u.Mailbox
	if !u.Absolute {
		switch {
		case name == "" && s.view == nil:
			return ref, false, nil
		case name == "":
			name = s.view.name
		case s.view != nil && parent(s.view.name) != "":
			name = path.Join(parent(s.view.name), name)
		}
	}
	from, err := s.locate(name, storage.RightRead)
	if errors.Is(err, storage.ErrNoMailbox) {
		return ref, false, nil
	}
	if err != nil || u.UIDValidity != 0 && u.UIDValidity != from.box.UIDValidity {
		return ref, false, err
	}
	return from.Ref, true, nil
}
