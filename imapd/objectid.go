package imapd

import (
	"fmt"
	"strconv"
	"strings"

	"mailstead/storage"
)

// Identifiers of RFC 8474. A body's number is never given out again, and copies
// share it; so is a thread's. A mailbox has one within its account.

func mailboxID(ref storage.Ref) string {
	return fmt.Sprintf("F%x-%x", uint32(ref.Account), uint32(ref.Mailbox))
}

func emailID(b storage.BlobID) string { return "M" + strconv.FormatUint(uint64(b), 16) }

func threadID(thread uint64) string { return "T" + strconv.FormatUint(thread, 16) }

// objectNumber reads an identifier that begins with a letter; 0 when it is none
// that was given out.
func objectNumber(id, letter string) uint64 {
	digits, ok := strings.CutPrefix(id, letter)
	n, err := strconv.ParseUint(digits, 16, 64)
	if !ok || err != nil || letter+strconv.FormatUint(n, 16) != id {
		return 0
	}
	return n
}
