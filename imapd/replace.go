package imapd

import (
	"context"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// replace is RFC 8508: one change of the store puts the new message into its
// mailbox and takes the old one out of the selected one, or does neither.
func (s *session) replace(ctx context.Context, c *wire.Command) (reply, error) {
	old, err := s.replaced(c.Args.(wire.AppendArgs))
	if err != nil {
		return s.refuseAppend("REPLACE", err)
	}
	in, err := s.receive(ctx, c, old)
	if err != nil {
		return s.refuseAppend("REPLACE", err)
	}
	defer in.close()
	out, err := s.srv.o.Store.Replace(context.WithoutCancel(ctx), old.Ref, old.UID, in.messages[0])
	if err != nil {
		return s.intoReply("REPLACE", err), nil
	}
	// RFC 8508 §4.3: before the EXPUNGE.
	s.w.Status("*", kindOK, appendUID(out), "Replacement stored")
	return reply{kind: kindOK, highest: true}, nil
}

// replaced is the message that a REPLACE removes.
type replaced struct {
	storage.Ref
	storage.Row
}

func (s *session) replaced(a wire.AppendArgs) (*replaced, error) {
	if s.view.readOnly {
		return nil, protocolError{readOnly()}
	}
	// RFC 8508 §4.1: the rights of STORE and EXPUNGE here, of APPEND there.
	if !s.view.rights.Has(storage.RightTrash | storage.RightExpunge) {
		return nil, errNoPermission
	}
	set, err := s.view.resolve(a.Replaced, nil)
	if err != nil {
		return nil, err
	}
	for row, err := range s.srv.o.Store.Rows(s.view.ref, set, storage.ReadOptions{}) {
		if err != nil {
			return nil, err
		}
		if s.view.seq(row.UID) != 0 {
			return &replaced{s.view.ref, row}, nil
		}
	}
	return nil, protocolError{no("", "There is no such message")}
}
