package imapd

import (
	"context"
	"strings"

	"mailstead/imapd/wire"
	"mailstead/mail"
	"mailstead/storage"
)

// anyone is the identifier of everybody (RFC 4314 §2).
const anyone = "anyone"

// grantee is who an entry of a list is about.
type grantee struct {
	id       mail.AccountID
	negative bool
}

// identifier reads one of RFC 4314 §2: the address of an account of this server,
// "anyone", or one of them behind "-". There are no groups.
func (s *session) identifier(text string) (g grantee, refusal reply) {
	text, g.negative = strings.CutPrefix(text, "-")
	if text == "" {
		return g, bad("Identifier is empty")
	}
	if text == anyone {
		return g, reply{}
	}
	var ok bool
	if g.id, ok = s.srv.o.Authenticator.AccountAt(text); !ok {
		return g, no("CANNOT", "Not the address of an account, and not \"anyone\"")
	}
	return g, reply{}
}

// identifierOf is the way back; empty for an account that is gone.
func (s *session) identifierOf(g storage.Grant) string {
	name := anyone
	if g.To != storage.Anyone {
		name = s.srv.o.Authenticator.AddressOf(g.To)
	}
	if g.Negative && name != "" {
		name = "-" + name
	}
	return name
}

// setACL is RFC 4314 §3.1.
func (s *session) setACL(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.SetACLArgs)
	op, letters := storage.ReplaceFlags, a.Rights
	if rest, ok := strings.CutPrefix(letters, "+"); ok {
		op, letters = storage.AddFlags, rest
	} else if rest, ok := strings.CutPrefix(letters, "-"); ok {
		op, letters = storage.RemoveFlags, rest
	}
	rights, err := storage.ParseRights(letters)
	if err != nil {
		return bad("Rights are letters of lrswipkxteacd"), nil
	}
	at, err := s.locate(a.Mailbox, storage.RightAdmin)
	if err != nil {
		return reply{}, err
	}
	who, refusal := s.identifier(a.Identifier)
	if refusal.kind != "" {
		return refusal, nil
	}
	g := storage.Grant{To: who.id, Negative: who.negative, Rights: rights}
	if err := s.srv.o.Store.SetRights(context.WithoutCancel(ctx), at.Ref, op, g); err != nil {
		return reply{}, err
	}
	return done(), nil
}

// deleteACL is RFC 4314 §3.2. Without an entry of its own the owner has all
// rights.
func (s *session) deleteACL(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.IdentifierArgs)
	at, err := s.locate(a.Mailbox, storage.RightAdmin)
	if err != nil {
		return reply{}, err
	}
	who, refusal := s.identifier(a.Identifier)
	if refusal.kind != "" {
		return refusal, nil
	}
	if err := s.srv.o.Store.Unshare(context.WithoutCancel(ctx), at.Ref, who.id, who.negative); err != nil {
		return reply{}, err
	}
	return done(), nil
}

// getACL is RFC 4314 §3.3.
func (s *session) getACL(_ context.Context, c *wire.Command) (reply, error) {
	at, err := s.locate(c.Args.(wire.ACLArgs).Mailbox, storage.RightAdmin)
	if err != nil {
		return reply{}, err
	}
	list, err := s.srv.o.Store.Grants(at.Ref)
	if err != nil {
		return reply{}, err
	}
	var pairs []string
	for _, g := range list {
		if name := s.identifierOf(g); name != "" {
			pairs = append(pairs, name, g.Rights.String())
		}
	}
	s.w.ACL("ACL", at.box.Name, pairs...)
	return done(), nil
}

// listRights is RFC 4314 §3.4: no rights are tied together.
func (s *session) listRights(_ context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.IdentifierArgs)
	at, err := s.locate(a.Mailbox, storage.RightAdmin)
	if err != nil {
		return reply{}, err
	}
	who, refusal := s.identifier(a.Identifier)
	if refusal.kind != "" {
		return refusal, nil
	}
	var always storage.Rights
	optional := storage.AllRights
	if who.id == at.Account {
		optional &^= storage.RightLookup | storage.RightAdmin
		if !who.negative {
			always = storage.RightLookup | storage.RightAdmin
		}
	}
	list := []string{a.Identifier, always.String()}
	for _, letter := range optional.String() {
		list = append(list, string(letter))
	}
	s.w.ACL("LISTRIGHTS", at.box.Name, list...)
	return done(), nil
}

// tellsRights are the rights of which one is needed for MYRIGHTS (RFC 4314 §4).
const tellsRights = storage.RightLookup | storage.RightRead | storage.RightInsert | storage.RightCreate | storage.RightDelete | storage.RightAdmin

// myRights is RFC 4314 §3.5.
func (s *session) myRights(_ context.Context, c *wire.Command) (reply, error) {
	at, err := s.look(c.Args.(wire.ACLArgs).Mailbox)
	if err != nil {
		return reply{}, err
	}
	if at.rights&tellsRights == 0 {
		return reply{}, storage.ErrNoMailbox
	}
	s.w.ACL("MYRIGHTS", at.box.Name, at.rights.String())
	return done(), nil
}
