package imapd

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"mailstead/storage"
)

// systemFlagBits pairs the names of the system flags with the store's.
var systemFlagBits = []struct {
	name imap.Flag
	bit  storage.Flags
}{
	{imap.FlagAnswered, storage.Answered},
	{imap.FlagFlagged, storage.Flagged},
	{imap.FlagDeleted, storage.Deleted},
	{imap.FlagSeen, storage.Seen},
	{imap.FlagDraft, storage.Draft},
}

func flagBit(f imap.Flag) (storage.Flags, bool) {
	for _, s := range systemFlagBits {
		if strings.EqualFold(string(s.name), string(f)) {
			return s.bit, true
		}
	}
	return 0, false
}

// storeFlags divides flags as the store wants them. \Recent and system flags
// that do not exist can't be set.
func storeFlags(list []imap.Flag) (flags storage.Flags, keywords []string) {
	for _, f := range list {
		if bit, ok := flagBit(f); ok {
			flags |= bit
		} else if !strings.HasPrefix(string(f), `\`) {
			keywords = append(keywords, string(f))
		}
	}
	return flags, keywords
}

// writeFlags tells the client the flags of one message, and before that of
// keywords it has not heard of (RFC 9051 §7.3.5).
func (s *session) writeFlags(row storage.Row, uid bool) {
	if s.view.seq(row.UID) == 0 {
		return
	}
	if s.view.newKeywords(row) {
		s.writeKeywords()
	}
	s.writeFetchFlags(row, (uid || s.qresync) && !s.uidOnly)
}
