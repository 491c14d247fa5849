package storage

import (
	"fmt"

	"github.com/klauspost/compress/s2"

	"mailstead/mail"
)

// A row of cold is the description of a message: a version, and an S2 block of
// what mail.AppendMessage packs. Half of it says the same twice, as ENVELOPE and
// as header fields; S2 is read at a microsecond a row.
const (
	coldNone = 1 // and nothing else: the message could not be read
	coldS2   = 2
)

// packCold makes the row of a packed message, nil for one that can't be read.
func packCold(packed []byte) []byte {
	if packed == nil {
		return []byte{coldNone}
	}
	b := make([]byte, 1+s2.MaxEncodedLen(len(packed)))
	b[0] = coldS2
	return b[:1+len(s2.EncodeBetter(b[1:], packed))]
}

// unpackCold reads such a row; nil for none, or one without a message.
func unpackCold(row []byte) (*mail.Message, error) {
	if len(row) == 0 || row[0] == coldNone {
		return nil, nil
	}
	packed, err := s2.Decode(nil, row[1:])
	if err != nil || row[0] != coldS2 {
		return nil, fmt.Errorf("description of a message: %w", errBadRow)
	}
	m, err := mail.DecodeMessage(packed)
	if err != nil {
		return nil, fmt.Errorf("description of a message: %w: %w", errBadRow, err)
	}
	return m, nil
}
