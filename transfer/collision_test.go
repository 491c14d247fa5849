package transfer_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"mailstead/mail"
)

// quota limits every account.
func quota(bytes int64) func(mail.AccountID) int64 {
	return func(mail.AccountID) int64 { return bytes }
}

// collision makes two texts with the same length and CRC32C.
func collision(t testing.TB) (a, b string) {
	t.Helper()
	table := crc32.MakeTable(crc32.Castagnoli)
	a = "Subject: one\r\n\r\nxAAAA"
	want := crc32.Checksum([]byte(a), table)
	b = "Subject: two\r\n\r\nx" + string(patch(table, crc32.Checksum([]byte("Subject: two\r\n\r\nx"), table), want))
	if len(a) != len(b) || crc32.Checksum([]byte(b), table) != want || a == b {
		t.Fatalf("no collision: %q, %q", a, b)
	}
	return a, b
}

// patch gives the four bytes that lead from one checksum to another.
func patch(table *crc32.Table, from, to uint32) []byte {
	state := ^to
	for range 4 { // backwards through the table
		for i, v := range table {
			if v>>24 == state>>24 {
				state = (state^v)<<8 | uint32(i)
				break
			}
		}
	}
	var out [4]byte
	binary.LittleEndian.PutUint32(out[:], state^^from)
	return out[:]
}
