package imapd

import (
	big "encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"

	"mailstead/internal/durable"
	"mailstead/internal/logkey"
	"mailstead/mail"
	"mailstead/storage"
)

// The file of what was \Recent: recentMagic, for each mailbox account, number and
// UID, and a CRC-32C of all that. It is written when the server ends and only
// saves clients from being shown old mail as new: without it, or with one from
// before a crash, a mailbox counts as seen up to its first unseen message.
const (
	recentMagic = "MSrcnt1\n"
	recentEntry = 12
	// maxRecentFile bounds what is read of it, in bytes.
	maxRecentFile = 64 << 20
)

// packRecents makes the file of what was claimed.
func packRecents(claimed map[storage.Ref]storage.UID) []byte {
	b := []byte(recentMagic)
	for ref, uid := range claimed {
		if len(b)+recentEntry+4 > maxRecentFile {
			break
		}
		b = big.BigEndian.AppendUint32(b, uint32(ref.Account))
		b = big.BigEndian.AppendUint32(b, uint32(ref.Mailbox))
		b = big.BigEndian.AppendUint32(b, uint32(uid))
	}
	return big.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// parseRecents reads such a file; ok is false when it is none, or damaged.
func parseRecents(b []byte) (claimed map[storage.Ref]storage.UID, ok bool) {
	n := len(b) - 4
	if len(b) > maxRecentFile || n < len(recentMagic) || string(b[:len(recentMagic)]) != recentMagic || (n-len(recentMagic))%recentEntry != 0 {
		return nil, false
	}
	if crc32.Checksum(b[:n], crc32.MakeTable(crc32.Castagnoli)) != big.BigEndian.Uint32(b[n:]) {
		return nil, false
	}
	claimed = map[storage.Ref]storage.UID{}
	for e := b[len(recentMagic):n]; len(e) > 0; e = e[recentEntry:] {
		ref := storage.Ref{Account: mail.AccountID(big.BigEndian.Uint32(e)), Mailbox: storage.MailboxID(big.BigEndian.Uint32(e[4:]))}
		claimed[ref] = storage.UID(big.BigEndian.Uint32(e[8:]))
	}
	return claimed, true
}

// loadRecents reads what was claimed before this start.
func (s *Server) loadRecents() {
	if s.o.RecentFile == "" {
		return
	}
	info, err := os.Stat(s.o.RecentFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var b []byte
	if err == nil && info.Size() <= maxRecentFile {
		b, err = os.ReadFile(s.o.RecentFile)
	}
	before, ok := parseRecents(b)
	if !ok {
		s.o.Logger.Warn("file of recent messages not read", "file", s.o.RecentFile, logkey.Err, err)
		return
	}
	s.recents.before = before
}

// saveRecents writes down what is claimed.
func (s *Server) saveRecents() {
	if s.o.RecentFile == "" {
		return
	}
	if err := durable.WriteFile(s.o.RecentFile, packRecents(s.recents.all()), 0o600); err != nil {
		s.o.Logger.Warn("file of recent messages not written", "file", s.o.RecentFile, logkey.Err, err)
	}
}
