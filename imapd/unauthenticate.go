package imapd

import (
	"context"

	"mailstead/imapd/wire"
)

// unauthenticate is RFC 8437: nothing is left of the user but the connection and
// its TLS. The failures of logging in stay counted, and the time to log in
// begins again.
func (s *session) unauthenticate(_ context.Context, _ *wire.Command) (reply, error) {
	s.deselect()
	s.inattentive()
	s.unwatch()
	s.unwatch = nil
	s.account = 0
	s.rev2, s.utf8, s.condstore, s.qresync, s.uidOnly = false, false, false, false, false
	s.r.SetUTF8(false)
	s.w.SetUTF8(false)
	s.log.Info("session unauthenticated", "commands", s.commands)
	s.log = s.connLog
	s.conn.loggedOut(s.srv.o.LoginTimeout)
	return okCode("CAPABILITY "+s.capabilities(), "Logged out of the account"), nil
}
