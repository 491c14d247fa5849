package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"time"

	bolt "go.etcd.io/bbolt"

	"mailstead/mail"
)

// The buckets of index.db; docs/decisions/0001 says what each holds.
const (
	bucketMeta   = "meta"
	bucketAcct   = "acct"
	bucketMbox   = "mbox"
	bucketName   = "name"
	bucketSub    = "sub"
	bucketKw     = "kw"
	bucketHot    = "hot"
	bucketCold   = "cold"
	bucketLoc    = "loc"
	bucketDup    = "dup"
	bucketThread = "thread"
	bucketGone   = "gone"
	bucketSeg    = "seg"
	bucketAside  = "aside"
	bucketKept   = "kept"
	bucketAnno   = "anno"
	bucketACL    = "acl"
)

func bucketNames() []string {
	return []string{bucketMeta, bucketAcct, bucketMbox, bucketName, bucketSub, bucketKw, bucketHot, bucketCold, bucketLoc,
		bucketDup, bucketThread, bucketGone, bucketSeg, bucketAside, bucketKept, bucketAnno, bucketACL}
}

const rowVersion = 1

// errBadRow is a row of the index that can't be read: damage, never a peer's
// fault.
var errBadRow = errors.New("row of the index is damaged")

// index is the view of index.db in one transaction.
type index struct {
	tx    *bolt.Tx
	state *txState
}

// txState is what one transaction comes to beside its rows.
type txState struct {
	fault error    // the first row that could not be read
	freed []uint64 // files of bodies that nothing needs once it is committed

	remembered uint64 // as Options.History has it, 0 for maxGone

	notices []Notice // of the record that is applied
}

func (t *txState) damaged(bucket string, key []byte) error {
	err := fmt.Errorf("bucket %s, key %x: %w", bucket, key, errBadRow)
	if t.fault == nil {
		t.fault = err
	}
	return err
}

// rowSum is what each row ends with: a CRC32C over key and value, so that a
// row that was damaged, or strayed to another key, is never believed.
const rowSum = 4

func sealRow(key, val []byte) []byte {
	return binary.BigEndian.AppendUint32(val, crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, val))
}

func openRow(key, stored []byte) ([]byte, bool) {
	n := len(stored) - rowSum
	if n < 0 || crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, stored[:n]) != binary.BigEndian.Uint32(stored[n:]) {
		return nil, false
	}
	return stored[:n:n], true
}

// get reads a row, nil when there is none. A damaged one is nil too and sets
// the transaction's fault: it must not be committed.
func (x index) get(bucket string, key []byte) []byte {
	v := x.tx.Bucket([]byte(bucket)).Get(key)
	if v == nil {
		return nil
	}
	val, ok := openRow(key, v)
	if !ok {
		_ = x.state.damaged(bucket, key) // kept in the state
		return nil
	}
	return val
}

// has tells whether there is a row.
func (x index) has(bucket string, key []byte) bool {
	return x.tx.Bucket([]byte(bucket)).Get(key) != nil
}

// put writes a row; val is the store's from here on.
func (x index) put(bucket string, key, val []byte) error {
	b := x.tx.Bucket([]byte(bucket))
	b.FillPercent = 0.9
	return b.Put(key, sealRow(key, val))
}

func (x index) del(bucket string, key []byte) error { return x.tx.Bucket([]byte(bucket)).Delete(key) }

// seek moves a cursor to the first key that is not below key. In a damaged tree
// it may come to one that is below; that sets the fault and gives nil, so that
// nobody goes round in circles.
func (x index) seek(c *bolt.Cursor, bucket string, key []byte) (k, v []byte) {
	if k, v = c.Seek(key); k != nil && bytes.Compare(k, key) < 0 {
		_ = x.state.damaged(bucket, key) // kept in the state
		return nil, nil
	}
	return k, v
}

// scan walks the rows whose keys begin with prefix. Damaged ones are left out
// and set the fault.
func (x index) scan(bucket string, prefix []byte) iter.Seq2[[]byte, []byte] {
	return x.scanFrom(bucket, prefix, prefix)
}

// scanFrom is scan that begins at a key.
func (x index) scanFrom(bucket string, prefix, from []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		c := x.tx.Bucket([]byte(bucket)).Cursor()
		for k, v := x.seek(c, bucket, from); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
			val, ok := openRow(k, v)
			if !ok {
				_ = x.state.damaged(bucket, k) // kept in the state
				continue
			}
			if !yield(k, val) {
				return
			}
		}
	}
}

// key packs numbers big-endian: uint32 for accounts, mailboxes and UIDs, uint64
// for the rest.
func accountKey(id mail.AccountID) []byte {
	return binary.BigEndian.AppendUint32(make([]byte, 0, 24), uint32(id))
}

func refKey(r Ref) []byte {
	return binary.BigEndian.AppendUint32(accountKey(r.Account), uint32(r.Mailbox))
}

func hotKey(r Ref, u UID) []byte { return binary.BigEndian.AppendUint32(refKey(r), uint32(u)) }

func wideKey(id mail.AccountID, n uint64) []byte {
	return binary.BigEndian.AppendUint64(accountKey(id), n)
}

func nameKey(id mail.AccountID, name string) []byte { return append(accountKey(id), name...) }

func blobKey(b BlobID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(b)) }

// accountRow is what the index keeps of an account.
type accountRow struct {
	name         string
	nextMailbox  MailboxID
	uidValidity  uint32 // the last one given out
	modseq       ModSeq
	nextKeyword  uint32
	bytes, count int64
}

func (x index) account(id mail.AccountID) (a accountRow, err error) {
	v := x.get(bucketAcct, accountKey(id))
	if v == nil {
		return a, ErrNoAccount
	}
	return decodeAccount(id, v)
}

func decodeAccount(id mail.AccountID, v []byte) (a accountRow, err error) {
	d := rowReader{b: v}
	version := d.uint()
	a = accountRow{name: d.str(), nextMailbox: MailboxID(d.uint()), uidValidity: uint32(d.uint()), modseq: ModSeq(d.uint()),
		nextKeyword: uint32(d.uint()), bytes: d.int(), count: d.int()}
	if d.bad || version != rowVersion {
		return a, fmt.Errorf("account %d: %w", id, errBadRow)
	}
	return a, nil
}

func (x index) putAccount(id mail.AccountID, a accountRow) error {
	w := rowWriter{}
	w.uint(rowVersion)
	w.str(a.name)
	w.uint(uint64(a.nextMailbox))
	w.uint(uint64(a.uidValidity))
	w.uint(uint64(a.modseq))
	w.uint(uint64(a.nextKeyword))
	w.int(a.bytes)
	w.int(a.count)
	return x.put(bucketAcct, accountKey(id), w.b)
}

// mailbox reads a mailbox row; Subscribed is filled in from its own bucket.
func (x index) mailbox(r Ref) (m Mailbox, err error) {
	v := x.get(bucketMbox, refKey(r))
	if v == nil {
		return m, ErrNoMailbox
	}
	if m, err = decodeMailbox(r.Mailbox, v); err != nil {
		return m, err
	}
	m.Subscribed = x.get(bucketSub, nameKey(r.Account, m.Name)) != nil
	return m, nil
}

func decodeMailbox(id MailboxID, v []byte) (Mailbox, error) {
	d := rowReader{b: v}
	version := d.uint()
	m := Mailbox{ID: id, Name: d.str(), SpecialUse: SpecialUse(d.str()), UIDValidity: uint32(d.uint()), UIDNext: UID(d.uint()),
		HighestModSeq: ModSeq(d.uint()), Messages: uint32(d.uint()), Unseen: uint32(d.uint()), Deleted: uint32(d.uint()),
		Bytes: d.int(), DeletedBytes: d.int()}
	if d.bad || version != rowVersion {
		return m, fmt.Errorf("mailbox %d: %w", id, errBadRow)
	}
	return m, nil
}

func (x index) putMailbox(r Ref, m Mailbox) error {
	w := rowWriter{}
	w.uint(rowVersion)
	w.str(m.Name)
	w.str(string(m.SpecialUse))
	w.uint(uint64(m.UIDValidity))
	w.uint(uint64(m.UIDNext))
	w.uint(uint64(m.HighestModSeq))
	w.uint(uint64(m.Messages))
	w.uint(uint64(m.Unseen))
	w.uint(uint64(m.Deleted))
	w.int(m.Bytes)
	w.int(m.DeletedBytes)
	return x.put(bucketMbox, refKey(r), w.b)
}

// byName finds a mailbox of an account by its whole name.
func (x index) byName(id mail.AccountID, name string) (MailboxID, bool) {
	v := x.get(bucketName, nameKey(id, name))
	if len(v) != 4 {
		return 0, false
	}
	return MailboxID(binary.BigEndian.Uint32(v)), true
}

// hotRow is one message in one mailbox, as bucket hot keeps it.
type hotRow struct {
	modseq   ModSeq
	flags    Flags
	keywords []uint32 // ids, ascending
	date     int64    // Unix seconds
	zone     int64    // minutes east of UTC
	saved    int64    // Unix seconds
	size     int64
	blob     BlobID
	thread   uint64
}

// row is what callers see, without keywords and Message.
func (h *hotRow) row(uid UID) Row {
	return Row{UID: uid, ModSeq: h.modseq, Flags: h.flags, Size: h.size, Blob: h.blob, Thread: h.thread,
		InternalDate: time.Unix(h.date, 0).In(time.FixedZone("", int(h.zone)*60)), SaveDate: time.Unix(h.saved, 0).UTC()}
}

func (h *hotRow) pack() []byte {
	w := rowWriter{b: make([]byte, 0, 48)}
	w.uint(rowVersion)
	w.uint(uint64(h.modseq))
	w.uint(uint64(h.flags))
	w.int(h.date)
	w.int(h.zone)
	w.int(h.saved - h.date)
	w.uint(uint64(h.size))
	w.uint(uint64(h.blob))
	w.uint(h.thread)
	for _, k := range h.keywords {
		w.uint(uint64(k))
	}
	return w.b
}

// hot reads a row that a cursor found.
func (x index) hot(k, stored []byte) (hotRow, error) {
	v, ok := openRow(k, stored)
	if !ok {
		return hotRow{}, x.state.damaged(bucketHot, k)
	}
	return decodeHot(v)
}

func decodeHot(v []byte) (h hotRow, err error) {
	d := rowReader{b: v}
	version := d.uint()
	h = hotRow{modseq: ModSeq(d.uint()), flags: Flags(d.uint()), date: d.int(), zone: d.int()}
	h.saved = h.date + d.int()
	h.size, h.blob, h.thread = int64(d.uint()), BlobID(d.uint()), d.uint()
	for len(d.b) > 0 {
		h.keywords = append(h.keywords, uint32(d.uint()))
	}
	if d.bad || version != rowVersion {
		return h, fmt.Errorf("message row: %w", errBadRow)
	}
	return h, nil
}

// locRow is where a body lies.
type locRow struct {
	pos     position // of the record
	bodyAt  int64    // length of the record's header and change
	size    int64    // of the body as it is stored
	crc     uint32   // of the same
	holders uint64   // accounts that have messages with it
	aside   uint64   // number of the file it is in, zero for the log
	packed  bool
	rawSize int64 // of the message
	rawCRC  uint32
}

func (r *record) loc(pos position, bodyAt int64) locRow {
	l := locRow{pos: pos, bodyAt: bodyAt, size: r.size, crc: r.crc, aside: r.aside, packed: r.packed}
	l.rawSize, l.rawCRC = r.message()
	return l
}

// length is what the record takes in the log.
func (l *locRow) length() int64 {
	if l.aside != 0 {
		return l.bodyAt
	}
	return l.bodyAt + l.size
}

func (x index) loc(b BlobID) (l locRow, ok bool) {
	return decodeLoc(x.get(bucketLoc, blobKey(b)))
}

func decodeLoc(v []byte) (l locRow, ok bool) {
	d := rowReader{b: v}
	version := d.uint()
	l = locRow{pos: position{uint32(d.uint()), d.int()}, bodyAt: d.int(), size: d.int(), crc: uint32(d.uint()), holders: d.uint(), aside: d.uint()}
	l.rawSize, l.rawCRC = l.size, l.crc
	if len(d.b) > 0 {
		l.packed, l.rawSize, l.rawCRC = true, d.int(), uint32(d.uint())
	}
	return l, v != nil && !d.bad && version == rowVersion
}

func (x index) putLoc(b BlobID, l locRow) error {
	w := rowWriter{b: make([]byte, 0, 48)}
	w.uint(rowVersion)
	w.uint(uint64(l.pos.segment))
	w.int(l.pos.offset)
	w.int(l.bodyAt)
	w.int(l.size)
	w.uint(uint64(l.crc))
	w.uint(l.holders)
	w.uint(l.aside)
	if l.packed {
		w.int(l.rawSize)
		w.uint(uint64(l.rawCRC))
	}
	return x.put(bucketLoc, blobKey(b), w.b)
}
