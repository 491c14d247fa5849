package storage

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"
	bolt "go.etcd.io/bbolt"
)

// A checkpoint is the whole index at one watermark, in a file of its own
// beside the segments: the log before it is not needed any more, except for
// the bodies in it. docs/storage.md has every byte.
const (
	checkpointMagic   = "MSTDCKP3"
	checkpointMagicV2 = "MSTDCKP2" // knows the buckets up to kept
	checkpointBlock   = 1 << 20
	// keepCheckpoints is how many stay: one may be damaged.
	keepCheckpoints = 2
)

func checkpointName(seq uint64) string { return fmt.Sprintf("%016d.ckp", seq) }

// checkpoints lists the sequences of the checkpoints in dir, the newest first.
func checkpoints(dir string) ([]uint64, error) {
	list, err := numbered(dir, ".ckp", 64)
	slices.Reverse(list)
	return list, err
}

// checkpointWriter writes blocks: length of the rows, length compressed, CRC32C
// (4 bytes each), and the rows in a zstd frame. A block of length zero ends it.
type checkpointWriter struct {
	f   io.WriterAt
	at  int64
	enc *zstd.Encoder
	raw rowWriter
}

func (w *checkpointWriter) row(bucket int, k, v []byte) error {
	w.raw.uint(uint64(bucket))
	w.raw.uint(uint64(len(k)))
	w.raw.b = append(w.raw.b, k...)
	w.raw.uint(uint64(len(v)))
	w.raw.b = append(w.raw.b, v...)
	if len(w.raw.b) < checkpointBlock {
		return nil
	}
	return w.flush()
}

func (w *checkpointWriter) flush() error {
	if len(w.raw.b) == 0 {
		return nil
	}
	out := make([]byte, 12, 12+len(w.raw.b)/3)
	out = w.enc.EncodeAll(w.raw.b, out)
	binary.BigEndian.PutUint32(out, uint32(len(w.raw.b)))
	binary.BigEndian.PutUint32(out[4:], uint32(len(out)-12))
	binary.BigEndian.PutUint32(out[8:], crc32.Checksum(out[12:], castagnoli))
	w.raw.b = w.raw.b[:0]
	return w.write(out)
}

func (w *checkpointWriter) write(b []byte) error {
	n, err := w.f.WriteAt(b, w.at)
	w.at += int64(n)
	return err
}

// Checkpoint writes the whole index, as it is now, beside the log, so that a
// lost index is back without the log before it. It may take seconds.
func (s *Store) Checkpoint(ctx context.Context) error {
	s.housekeeping.Lock()
	defer s.housekeeping.Unlock()
	if err := s.checkpoint(ctx); err != nil {
		return err
	}
	return s.dropCheckpoints(ctx)
}

// checkpoint is Checkpoint for who has the housekeeping.
func (s *Store) checkpoint(ctx context.Context) (err error) {
	empty := false
	if err := s.view(func(x index) error {
		empty = !x.has(bucketMeta, []byte("watermark"))
		return nil
	}); err != nil || empty {
		return err
	}
	temp := filepath.Join(s.seg.dir, "checkpoint.tmp")
	f, err := s.fs.Open(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	var seq uint64
	err = s.view(func(x index) (err error) {
		seq, err = writeCheckpoint(ctx, x, f)
		return err
	})
	if err == nil {
		err = f.Datasync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return noSpace(errors.Join(fmt.Errorf("write checkpoint: %w", err), s.fs.Remove(temp)))
	}
	// A checkpoint may speak of the log only as far as it is durable, and it
	// is: the index never comes before the sync of its records.
	if err := s.fs.Rename(temp, filepath.Join(s.seg.dir, checkpointName(seq))); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	if err := s.fs.SyncDir(s.seg.dir); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	list, err := checkpoints(s.seg.dir)
	if err != nil {
		return err
	}
	for _, old := range list[min(len(list), keepCheckpoints):] {
		if err := s.fs.Remove(filepath.Join(s.seg.dir, checkpointName(old))); err != nil {
			return fmt.Errorf("remove old checkpoint: %w", err)
		}
	}
	return nil
}

// writeCheckpoint writes all rows. A damaged one makes it fail: the older
// checkpoint is better.
func writeCheckpoint(ctx context.Context, x index, f io.WriterAt) (seq uint64, err error) {
	at, seq, ok := x.watermark()
	if !x.has(bucketMeta, []byte("watermark")) { // nothing was ever written
		at, seq = position{1, segmentHeader}, 1
	} else if !ok {
		return 0, fmt.Errorf("watermark: %w", errBadRow)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return 0, err
	}
	defer enc.Close()
	h := binary.BigEndian.AppendUint64([]byte(checkpointMagic), seq)
	h = binary.BigEndian.AppendUint32(h, at.segment)
	h = binary.BigEndian.AppendUint64(h, uint64(at.offset))
	h = binary.BigEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
	w := &checkpointWriter{f: f, enc: enc}
	if err := w.write(h); err != nil {
		return 0, err
	}
	for i, bucket := range bucketNames() {
		for k, v := range x.scan(bucket, nil) {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			if err := w.row(i, k, v); err != nil {
				return 0, err
			}
		}
	}
	if x.state.fault != nil {
		return 0, x.state.fault
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	return seq, w.write(make([]byte, 12))
}

// checkpointPlace reads where in the log a checkpoint stands.
func checkpointPlace(dir string, seq uint64) (at position, err error) {
	f, err := os.Open(filepath.Join(dir, checkpointName(seq)))
	if err != nil {
		return at, err
	}
	defer f.Close()
	return readCheckpointHead(f, seq)
}

func readCheckpointHead(r io.Reader, seq uint64) (at position, err error) {
	h := make([]byte, 32)
	if _, err := io.ReadFull(r, h); err != nil {
		return at, fmt.Errorf("checkpoint %d: %w", seq, err)
	}
	if string(h[:7]) == checkpointMagic[:7] && h[7] > checkpointMagic[7] {
		return at, fmt.Errorf("checkpoint %d has format %c: %w", seq, h[7], ErrNewerFormat)
	}
	if m := string(h[:8]); m != checkpointMagic && m != checkpointMagicV2 || binary.BigEndian.Uint64(h[8:]) != seq || crc32.Checksum(h[:28], castagnoli) != binary.BigEndian.Uint32(h[28:]) {
		return at, fmt.Errorf("checkpoint %d: damaged header: %w", seq, ErrDamaged)
	}
	return position{binary.BigEndian.Uint32(h[16:]), int64(binary.BigEndian.Uint64(h[20:]))}, nil
}

// loadCheckpoint fills an empty index from the newest whole checkpoint, if
// there is one.
func (s *Store) loadCheckpoint() error {
	list, err := checkpoints(s.seg.dir)
	if err != nil {
		return err
	}
	for _, seq := range list {
		rows, err := s.readCheckpoint(seq, func([]checkpointRow) error { return nil })
		if errors.Is(err, ErrNewerFormat) {
			return err
		}
		if err != nil {
			s.damage = append(s.damage, err.Error())
			s.log.Error("checkpoint damaged", "err", err)
			continue
		}
		done := 0
		_, err = s.readCheckpoint(seq, func(list []checkpointRow) error {
			done += len(list)
			s.progress(Progress{File: checkpointName(seq), Records: int64(done), Done: int64(done), Total: int64(rows)})
			return s.putRows(list)
		})
		if err == nil {
			err = s.presentFormat() // the rows may be of an older one
		}
		if err == nil {
			s.log.Info("checkpoint loaded", "seq", seq, "rows", rows)
		}
		return err
	}
	return nil
}

type checkpointRow struct {
	bucket string
	k, v   []byte
}

func (s *Store) putRows(rows []checkpointRow) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		x := index{tx, &txState{}}
		for _, r := range rows {
			if err := x.put(r.bucket, r.k, r.v); err != nil {
				return err
			}
		}
		return nil
	})
}

// readCheckpoint hands the rows of a checkpoint to f, block by block, and
// counts them. Anything damaged in it is ErrDamaged.
func (s *Store) readCheckpoint(seq uint64, f func([]checkpointRow) error) (rows int, err error) {
	file, err := os.Open(filepath.Join(s.seg.dir, checkpointName(seq)))
	if err != nil {
		return 0, fmt.Errorf("open checkpoint: %w", err)
	}
	defer file.Close()
	return readCheckpointRows(file, seq, f)
}

// readCheckpointRows is readCheckpoint of an open file.
func readCheckpointRows(file io.Reader, seq uint64, f func([]checkpointRow) error) (rows int, err error) {
	in := bufio.NewReaderSize(file, 1<<20)
	if _, err := readCheckpointHead(in, seq); err != nil {
		return 0, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxMeta*2))
	if err != nil {
		return 0, err
	}
	defer dec.Close()
	for {
		list, err := readBlock(in, dec)
		if err != nil {
			return rows, fmt.Errorf("checkpoint %d: %w: %w", seq, ErrDamaged, err)
		}
		if list == nil {
			return rows, nil
		}
		if err := f(list); err != nil {
			return rows, err
		}
		rows += len(list)
	}
}

// readBlock reads one block, nil at the end.
func readBlock(in io.Reader, dec *zstd.Decoder) ([]checkpointRow, error) {
	var h [12]byte
	if _, err := io.ReadFull(in, h[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(h[4:])
	if n == 0 {
		return nil, nil
	}
	if n > maxMeta*2 {
		return nil, errBadRecord
	}
	packed := make([]byte, n)
	if _, err := io.ReadFull(in, packed); err != nil {
		return nil, err
	}
	if crc32.Checksum(packed, castagnoli) != binary.BigEndian.Uint32(h[8:]) {
		return nil, errBadRecord
	}
	raw, err := dec.DecodeAll(packed, nil)
	if err != nil || uint32(len(raw)) != binary.BigEndian.Uint32(h[:]) {
		return nil, errOr(err, errBadRecord)
	}
	d := rowReader{b: raw}
	names := bucketNames()
	list := []checkpointRow{}
	for len(d.b) > 0 {
		b := d.uint()
		r := checkpointRow{k: []byte(d.str()), v: []byte(d.str())}
		if d.bad || b >= uint64(len(names)) {
			return nil, errBadRecord
		}
		r.bucket = names[b]
		list = append(list, r)
	}
	return list, nil
}
