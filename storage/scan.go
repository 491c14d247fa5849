package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// errTorn is where a log ends in what is not a whole record.
var errTorn = errors.New("torn record")

// scanSegment reads the records of one segment from offset on and hands each
// to found. It gives the offset behind the last whole record, and errTorn when
// something lies after it. Bodies are verified.
func scanSegment(dir string, n uint32, offset int64, found func(record, position, int64) error) (end int64, err error) {
	f, err := os.Open(filepath.Join(dir, segmentName(n)))
	if err != nil {
		return offset, fmt.Errorf("scan segment: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return offset, fmt.Errorf("scan segment: %w", err)
	}
	var head [segmentHeader]byte
	if _, err := f.ReadAt(head[:], 0); err != nil || string(head[:8]) != segmentMagic || binary.BigEndian.Uint64(head[8:]) != uint64(n) {
		return 0, errTorn
	}
	for size := info.Size(); offset < size; {
		rec, length, err := readRecord(f, offset, size)
		if err != nil {
			return offset, err
		}
		if err := found(rec, position{n, offset}, length); err != nil {
			return offset, err
		}
		offset += length
	}
	return offset, nil
}

// readRecord reads the record at offset and verifies it; errTorn when there is
// no whole one.
func readRecord(f io.ReaderAt, offset, size int64) (rec record, length int64, err error) {
	h := make([]byte, recordHeader)
	if size-offset < recordHeader {
		return rec, 0, errTorn
	}
	if _, err := f.ReadAt(h, offset); err != nil {
		return rec, 0, fmt.Errorf("scan segment: %w", err)
	}
	rec, metaLen, err := parseHeader(h)
	if err != nil || rec.size > size || offset+recordHeader+metaLen+rec.size > size {
		return rec, 0, errTorn
	}
	meta := make([]byte, metaLen)
	if _, err := f.ReadAt(meta, offset+recordHeader); err != nil {
		return rec, 0, fmt.Errorf("scan segment: %w", err)
	}
	if metaCRC(h, meta) != binary.BigEndian.Uint32(h[28:]) || rec.unpack(meta) != nil {
		return rec, 0, errTorn
	}
	body := io.NewSectionReader(f, offset+recordHeader+metaLen, rec.size)
	crc, err := bodyCRC(body, rec.size)
	if err != nil {
		return rec, 0, fmt.Errorf("scan segment: %w", err)
	}
	if crc != rec.crc {
		return rec, 0, errTorn
	}
	return rec, recordHeader + metaLen + rec.size, nil
}

// bodyCRC is the CRC32C of size bytes of r.
func bodyCRC(r io.ReaderAt, size int64) (uint32, error) {
	h := crc32.New(castagnoli)
	n, err := io.Copy(h, io.NewSectionReader(r, 0, size))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return h.Sum32(), err
}
