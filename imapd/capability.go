package imapd

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"mailstead/imapd/wire"
)

// always are the capabilities of every state, afterLogin those that a client
// can use only when it is logged in.
var (
	always     = []string{"IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ID", "ENABLE"}
	afterLogin = []string{
		"ACL",
		"BINARY",
		"CATENATE",
		"CHILDREN",
		"COMPRESS=DEFLATE",
		"CONDSTORE",
		"CONTEXT=SEARCH",
		"CONTEXT=SORT",
		"CREATE-SPECIAL-USE",
		"ESEARCH",
		"ESORT",
		"I18NLEVEL=1",
		"IDLE",
		"INPROGRESS",
		"LIST-EXTENDED",
		"LIST-METADATA",
		"LIST-MYRIGHTS",
		"LIST-STATUS",
		"METADATA",
		"MOVE",
		"MULTIAPPEND",
		"MULTISEARCH",
		"NAMESPACE",
		"NOTIFY",
		"OBJECTID",
		"PARTIAL",
		"PREVIEW",
		"QRESYNC",
		"QUOTA",
		"QUOTA=RES-MESSAGE",
		"QUOTA=RES-STORAGE",
		"QUOTASET",
		"REPLACE",
		"RIGHTS=kxte",
		"SAVEDATE",
		"SEARCH=FUZZY",
		"SEARCHRES",
		"SORT",
		"SORT=DISPLAY",
		"SPECIAL-USE",
		"STATUS=SIZE",
		"THREAD=ORDEREDSUBJECT",
		"THREAD=REFERENCES",
		"THREAD=REFS",
		"UIDBATCHES",
		"UIDONLY",
		"UIDPLUS",
		"UNAUTHENTICATE",
		"UNSELECT",
		"URL-PARTIAL",
		"UTF8=ACCEPT",
		"WITHIN",
	}
)

// capabilities lists what the client can use now (RFC 9051 §7.2.2).
func (s *session) capabilities() string {
	list := slices.Clone(always)
	if s.account == 0 {
		if s.canStartTLS() {
			list = append(list, "STARTTLS")
		}
		if s.mayLogin() {
			for _, name := range s.sasl().Mechanisms() {
				list = append(list, "AUTH="+name)
			}
		} else {
			list = append(list, "LOGINDISABLED")
		}
	} else {
		list = append(list, afterLogin...)
		list = append(list, "APPENDLIMIT="+strconv.FormatInt(s.srv.o.MaxMessageSize, 10), "MESSAGELIMIT="+strconv.Itoa(s.srv.o.MessageLimit))
	}
	return strings.Join(list, " ")
}

func (s *session) canStartTLS() bool { return !s.conn.secure && s.srv.o.TLS != nil }

// mayLogin tells whether a password may be sent over this connection.
func (s *session) mayLogin() bool {
	return s.conn.secure || s.srv.o.AllowInsecureAuth && s.remote.Unmap().IsLoopback()
}

// capability is RFC 9051 §6.1.1.
func (s *session) capability(_ context.Context, _ *wire.Command) (reply, error) {
	s.w.Untagged("CAPABILITY " + s.capabilities())
	return done(), nil
}

// noop is NOOP and CHECK: what there is to announce is announced after it.
func (s *session) noop(_ context.Context, _ *wire.Command) (reply, error) { return done(), nil }

// logout is RFC 9051 §6.1.3.
func (s *session) logout(_ context.Context, _ *wire.Command) (reply, error) {
	s.bye("", "Logging out")
	return done(), nil
}

// namespace is RFC 9051 §6.3.10: the user's own, and that of other users. What
// lies there is what they share, so it is theirs and not a third kind.
func (s *session) namespace(_ context.Context, _ *wire.Command) (reply, error) {
	s.w.Untagged(`NAMESPACE (("" "/")) (("` + sharedPrefix + `" "/")) NIL`)
	return done(), nil
}

// id is RFC 2971. What the client says of itself is for the log.
func (s *session) id(_ context.Context, c *wire.Command) (reply, error) {
	if f := c.Args.(wire.IDArgs).Fields; len(f) > 0 {
		s.log.Debug("client named itself", "id", f)
	}
	version := "NIL"
	if v := s.srv.o.Version; v != "" && !strings.ContainsAny(v, "\"\\\r\n") {
		version = `"` + v + `"`
	}
	s.w.Untagged(`ID ("name" "Mailstead" "version" ` + version + `)`)
	return done(), nil
}

// enable is RFC 5161.
func (s *session) enable(_ context.Context, c *wire.Command) (reply, error) {
	var on []string
	for _, name := range c.Args.(wire.EnableArgs).Capabilities {
		switch strings.ToUpper(name) {
		case "IMAP4REV2":
			if !s.rev2 {
				on = append(on, "IMAP4rev2")
			}
			s.rev2 = true
		case "UTF8=ACCEPT":
			if !s.utf8 {
				on = append(on, "UTF8=ACCEPT")
			}
			s.utf8 = true
		case "METADATA", "METADATA-SERVER":
			if !s.attention.metadata {
				on = append(on, strings.ToUpper(name))
			}
			s.attention.metadata = true
			if err := s.attend(); err != nil {
				return reply{}, err
			}
		case "CONDSTORE":
			if !s.condstore {
				on = append(on, "CONDSTORE")
			}
			s.condstore = true
		case "UIDONLY":
			if !s.uidOnly {
				on = append(on, "UIDONLY")
			}
			s.uidOnly = true
		case "QRESYNC": // RFC 7162 §3.2.3: CONDSTORE is part of it
			if !s.qresync {
				on = append(on, "QRESYNC")
			}
			s.condstore, s.qresync = true, true
		}
	}
	s.r.SetUTF8(s.rev2 || s.utf8)
	s.w.SetUTF8(s.rev2 || s.utf8)
	s.w.Untagged(strings.TrimSpace("ENABLED " + strings.Join(on, " ")))
	return done(), nil
}
