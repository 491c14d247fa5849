package storage

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// Fingerprint tells a stored message from others without reading its body. Two
// equal ones are very likely the same message; only the bytes are proof.
type Fingerprint struct {
	UID  UID
	CRC  uint32 // CRC32C of the body
	Size int64  // bytes
}

// Fingerprints walks the messages of a mailbox by ascending UID. No transaction
// is held while the caller's loop runs. Messages whose rows are damaged are left
// out. It ends with the first error; ErrNoMailbox.
func (s *Store) Fingerprints(ref Ref) iter.Seq2[Fingerprint, error] {
	return func(yield func(Fingerprint, error) bool) {
		for next, more := UID(1), true; more; {
			var list []Fingerprint
			err := s.view(func(x index) (err error) {
				list, more, err = x.fingerprints(ref, next)
				return err
			})
			if err != nil {
				yield(Fingerprint{}, err)
				return
			}
			for _, f := range list {
				if !yield(f, nil) {
					return
				}
				next = f.UID + 1
			}
		}
	}
}

// fingerprints reads a slice of a mailbox from UID from on; more tells that it
// was cut short.
func (x index) fingerprints(ref Ref, from UID) (list []Fingerprint, more bool, err error) {
	prefix := refKey(ref)
	if x.get(bucketMbox, prefix) == nil {
		return nil, false, ErrNoMailbox
	}
	c := x.tx.Bucket([]byte(bucketHot)).Cursor()
	for k, v := x.seek(c, bucketHot, hotKey(ref, from)); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if len(list) == readSlice {
			return list, true, nil
		}
		h, err := x.hot(k, v)
		if err != nil {
			continue
		}
		if l, ok := x.loc(h.blob); ok {
			list = append(list, Fingerprint{UID(binary.BigEndian.Uint32(k[8:])), l.rawCRC, l.rawSize})
		}
	}
	return list, false, nil
}
