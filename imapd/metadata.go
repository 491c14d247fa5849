package imapd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mailstead/imapd/wire"
	"mailstead/mail"
	"mailstead/storage"
)

// Scopes of annotations (RFC 5464 §3.3), the beginning of their names.
const (
	scopePrivate = "/private"
	scopeShared  = "/shared"
)

// Entries that are tied to something else, or can't be changed.
const (
	entrySpecialUse = "/specialuse" // private, of a mailbox: RFC 6154 §4
	entryAdmin      = "/admin"      // shared, of the server: RFC 5464 §6.2.1.1
)

var errMetadataSize = protocolError{no(fmt.Sprintf("METADATA MAXSIZE %d", storage.MaxAnnotation), "That is too much for an annotation")}

// annotated is what annotations are of: a mailbox, or the server with Mailbox 0.
type annotated struct {
	ref  storage.Ref
	name string
	use  storage.SpecialUse
}

// annotated finds what is to be annotated. RFC 5464 §3.3: annotations are for
// those who may list a mailbox and do something with its messages.
func (s *session) annotated(name string) (annotated, error) {
	if name == "" {
		return annotated{}, nil
	}
	at, err := s.locate(name, storage.RightLookup)
	if err != nil {
		return annotated{}, err
	}
	if !at.mayAnnotate() {
		return annotated{}, errNoPermission
	}
	return annotated{at.Ref, at.box.Name, at.box.SpecialUse}, nil
}

// mayAnnotate tells whether annotations of a mailbox are for the user.
func (p place) mayAnnotate() bool {
	const some = storage.RightRead | storage.RightSeen | storage.RightWrite | storage.RightInsert | storage.RightPost
	return p.rights.Has(storage.RightLookup) && p.rights&some != 0
}

// holder tells where annotations of a scope are stored. What is private on the
// server is of the user's own account.
func (s *session) holder(a annotated, scope string) (storage.Ref, mail.AccountID) {
	switch {
	case scope == scopeShared:
		return a.ref, 0
	case a.ref.Mailbox == 0:
		return storage.Ref{Account: s.account}, s.account
	}
	return a.ref, s.account
}

// splitEntry divides a name into its scope and the rest, which is empty for the
// scope itself.
func splitEntry(entry string) (scope, rest string) {
	for _, scope := range []string{scopePrivate, scopeShared} {
		if len(entry) >= len(scope) && strings.EqualFold(entry[:len(scope)], scope) {
			return scope, entry[len(scope):]
		}
	}
	return "", entry
}

// annotations lists all of a scope, names with their scope.
func (s *session) annotations(a annotated, scope string) ([]storage.Annotation, error) {
	ref, user := s.holder(a, scope)
	list, err := s.srv.o.Store.Annotations(ref, user)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Entry = scope + list[i].Entry
	}
	if scope == scopePrivate && a.use != "" {
		list = append(list, storage.Annotation{Entry: scope + entrySpecialUse, Value: string(a.use)})
	}
	return list, nil
}

// getMetadata is RFC 5464 §4.2.
func (s *session) getMetadata(_ context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.GetMetadataArgs)
	of, err := s.annotated(a.Mailbox)
	if err != nil {
		return reply{}, err
	}
	longest, err := s.writeMetadata(of, a)
	if err != nil {
		return reply{}, err
	}
	if longest > 0 {
		return okCode(fmt.Sprintf("METADATA LONGENTRIES %d", longest), "GETMETADATA completed"), nil
	}
	return done(), nil
}

// writeMetadata writes the METADATA response with the entries asked for, and
// gives the length of the longest value that was left out for it (RFC 5464
// §4.2.1).
func (s *session) writeMetadata(of annotated, a wire.GetMetadataArgs) (longest int, err error) {
	list, err := s.chosen(of, a)
	if err != nil {
		return 0, err
	}
	open := " ("
	for _, n := range list {
		if a.HasMax && !n.Remove && int64(len(n.Value)) > a.MaxSize {
			longest = max(longest, len(n.Value))
			continue
		}
		if open == " (" {
			s.w.Raw("* METADATA ")
			s.w.Mailbox(of.name)
		}
		s.w.Raw(open)
		open = " "
		s.writeEntry(n.Entry)
		s.w.Raw(" ")
		if err := s.writeAnnotation(n); err != nil {
			return 0, fatal{err}
		}
	}
	if open == " " {
		s.w.Raw(")")
		s.w.End()
	}
	return longest, nil
}

// listMetadata answers LIST's return option METADATA (RFC 9590 §3) for one
// mailbox.
func (s *session) listMetadata(l listing, entries []string) error {
	of := annotated{l.at.Ref, l.name, l.at.box.SpecialUse}
	_, err := s.writeMetadata(of, wire.GetMetadataArgs{Entries: entries})
	return err
}

// chosen are the annotations that entries and depth ask for, each once. One that
// is named and not there is a removed one.
func (s *session) chosen(of annotated, a wire.GetMetadataArgs) (list []storage.Annotation, err error) {
	all := map[string][]storage.Annotation{}
	seen := map[string]bool{}
	for _, asked := range a.Entries {
		scope, _ := splitEntry(asked)
		if all[scope] == nil {
			if all[scope], err = s.annotations(of, scope); err != nil {
				return nil, err
			}
		}
		found := false
		for _, n := range all[scope] {
			if !under(asked, n.Entry, a.Depth) {
				continue
			}
			if exact := strings.EqualFold(asked, n.Entry); exact {
				found, n.Entry = true, asked
			}
			if key := strings.ToLower(n.Entry); !seen[key] {
				seen[key] = true
				list = append(list, n)
			}
		}
		if key := strings.ToLower(asked); !found && a.Depth == 0 && !seen[key] {
			seen[key] = true
			list = append(list, storage.Annotation{Entry: asked, Remove: true})
		}
	}
	return list, nil
}

// under tells whether an entry is the one asked for, or at most depth levels
// below it (RFC 5464 §4.2.2).
func under(asked, entry string, depth int) bool {
	if len(entry) < len(asked) || !strings.EqualFold(entry[:len(asked)], asked) {
		return false
	}
	rest := entry[len(asked):]
	switch {
	case rest == "":
		return true
	case rest[0] != '/' || depth == 0:
		return false
	}
	return depth == wire.DepthInfinity || strings.Count(rest, "/") <= depth
}

// writeEntry writes a name, as an atom when it is one.
func (s *session) writeEntry(name string) {
	if isFieldName(name) {
		s.w.Raw(name)
		return
	}
	s.w.String(name)
}

func (s *session) writeAnnotation(n storage.Annotation) error {
	switch {
	case n.Remove:
		s.w.Raw("NIL")
	case strings.IndexByte(n.Value, 0) >= 0:
		return s.w.LiteralBinary(int64(len(n.Value)), strings.NewReader(n.Value))
	default:
		s.w.String(n.Value)
	}
	return nil
}

// setMetadata is RFC 5464 §4.3: all entries are changed, or none.
func (s *session) setMetadata(ctx context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.SetMetadataArgs)
	of, err := s.annotated(a.Mailbox)
	if err != nil {
		return reply{}, err
	}
	if a.TooBig {
		return reply{}, errMetadataSize
	}
	by := map[string][]storage.Annotation{}
	for _, e := range a.Entries {
		scope, rest := splitEntry(e.Name)
		if skip, err := s.mayAnnotate(of, scope, rest, e); err != nil {
			return reply{}, err
		} else if skip {
			continue
		}
		by[scope] = append(by[scope], storage.Annotation{Entry: rest, Value: e.Value, Remove: e.Remove})
	}
	var sets []storage.AnnotationSet
	for _, scope := range []string{scopePrivate, scopeShared} {
		if len(by[scope]) > 0 {
			ref, user := s.holder(of, scope)
			sets = append(sets, storage.AnnotationSet{Ref: ref, User: user, List: by[scope]})
		}
	}
	err = s.srv.o.Store.Annotate(context.WithoutCancel(ctx), sets...)
	switch {
	case errors.Is(err, storage.ErrTooBig):
		return reply{}, errMetadataSize
	case errors.Is(err, storage.ErrLimit):
		return no("METADATA TOOMANY", "There are too many annotations"), nil
	case err != nil:
		return reply{}, err
	}
	return done(), nil
}

// mayAnnotate refuses what a client can't change. skip: it is so already.
func (s *session) mayAnnotate(of annotated, scope, rest string, e wire.MetadataEntry) (skip bool, err error) {
	server := of.ref.Mailbox == 0
	switch {
	case !server && scope == scopePrivate && strings.EqualFold(rest, entrySpecialUse):
		// RFC 6154 §4: what a mailbox is for is said when it is created.
		if e.Remove && of.use == "" || !e.Remove && strings.EqualFold(e.Value, string(of.use)) {
			return true, nil
		}
		return false, protocolError{no("USEATTR", "The use of a mailbox can't be changed")}
	case server && scope == scopeShared && strings.EqualFold(rest, entryAdmin):
		return false, protocolError{no("NOPERM", "This entry can only be read")}
	case server && scope == scopeShared && !s.isAdministrator():
		return false, protocolError{no("NOPERM", "Only administrators annotate the server for everybody")}
	}
	return false, nil
}
