package storage

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"mailstead/mail"
)

// A record of the log: a header of recordHeader bytes, the packed change
// (meta), and for a message its body as it was received.
//
//	0  magic "MSr1"    4  kind    5  flags    6  zero, zero    8  sequence
//	16 length of meta  20 length of body  28 CRC of header and meta  32 CRC of the body
const (
	recordMagic  = "MSr1"
	recordHeader = 36
	maxMeta      = 64 << 20
	metaVersion  = 1
	// flagContinued: the next record belongs to the same group; a group is
	// applied whole or not at all.
	flagContinued = 1
)

type kind uint8

const (
	kindMessage kind = iota + 1
	kindFlags
	kindCopy
	kindMove
	kindExpunge
	kindCreateAccount
	kindRemoveAccount
	kindCreateMailbox
	kindDeleteMailbox
	kindRenameMailbox
	kindSubscribe
	kindEnd
)

// record is one change, complete: applying it needs nothing but the index.
type record struct {
	kind      kind
	continued bool
	seq       uint64
	time      int64 // Unix seconds, when it was asked for

	account   mail.AccountID
	mailbox   MailboxID
	dst       MailboxID
	name, to  string
	use       SpecialUse
	on        bool // Subscribe; Expunge: only messages with \Deleted
	all       bool // every UID
	op        FlagOp
	flags     Flags
	keywords  []string
	unchanged bool // since is set
	since     ModSeq
	uids      UIDSet

	targets []target
	threads []uint64 // hashes of Message-ID (0 for none) and of the references
	cold    []byte   // packed mail.Message
	size    int64    // of the body
	crc     uint32   // of the body
}

// target is a Target as the log keeps it.
type target struct {
	Ref
	orInbox  bool
	flags    Flags
	keywords []string
	date     int64 // Unix seconds
	zone     int64 // minutes east of UTC
}

var errBadRecord = errors.New("not a record")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header packs the record's header; meta is what pack gave.
func (r *record) header(meta []byte) []byte {
	h := make([]byte, recordHeader)
	copy(h, recordMagic)
	h[4] = byte(r.kind)
	if r.continued {
		h[5] = flagContinued
	}
	binary.BigEndian.PutUint64(h[8:], r.seq)
	binary.BigEndian.PutUint32(h[16:], uint32(len(meta)))
	binary.BigEndian.PutUint64(h[20:], uint64(r.size))
	binary.BigEndian.PutUint32(h[32:], r.crc)
	binary.BigEndian.PutUint32(h[28:], metaCRC(h, meta))
	return h
}

// metaCRC covers the header but for itself, and meta.
func metaCRC(h, meta []byte) uint32 {
	c := crc32.Update(0, castagnoli, h[:28])
	c = crc32.Update(c, castagnoli, h[32:recordHeader])
	return crc32.Update(c, castagnoli, meta)
}

// parseHeader reads a header; meta's CRC is not verified yet.
func parseHeader(h []byte) (r record, metaLen int64, err error) {
	if len(h) < recordHeader || string(h[:4]) != recordMagic || h[4] == 0 || h[4] >= byte(kindEnd) || h[5] > flagContinued {
		return r, 0, errBadRecord
	}
	r.kind, r.continued = kind(h[4]), h[5] == flagContinued
	r.seq = binary.BigEndian.Uint64(h[8:])
	metaLen = int64(binary.BigEndian.Uint32(h[16:]))
	r.size = int64(binary.BigEndian.Uint64(h[20:]))
	r.crc = binary.BigEndian.Uint32(h[32:])
	if metaLen > maxMeta || r.size < 0 || r.size > 0 && r.kind != kindMessage {
		return r, 0, errBadRecord
	}
	return r, metaLen, nil
}

// pack writes the change itself. Every kind has every field: what a kind does
// not use costs a byte.
func (r *record) pack() []byte {
	w := rowWriter{b: make([]byte, 0, 64+len(r.cold))}
	w.uint(metaVersion)
	w.int(r.time)
	w.uint(uint64(r.account))
	w.uint(uint64(r.mailbox))
	w.uint(uint64(r.dst))
	w.str(r.name)
	w.str(r.to)
	w.str(string(r.use))
	w.uint(packBits(r.on, r.all, r.unchanged))
	w.uint(uint64(r.op))
	w.uint(uint64(r.flags))
	w.strs(r.keywords)
	w.uint(uint64(r.since))
	w.uids(r.uids)
	w.uint(uint64(len(r.targets)))
	for _, t := range r.targets {
		w.uint(uint64(t.Account))
		w.uint(uint64(t.Mailbox))
		w.uint(packBits(t.orInbox))
		w.uint(uint64(t.flags))
		w.strs(t.keywords)
		w.int(t.date)
		w.int(t.zone)
	}
	w.uint(uint64(len(r.threads)))
	for _, h := range r.threads {
		w.b = binary.BigEndian.AppendUint64(w.b, h)
	}
	w.str(string(r.cold))
	return w.b
}

// unpack reads what pack wrote into r.
func (r *record) unpack(meta []byte) error {
	d := rowReader{b: meta}
	if d.uint() != metaVersion {
		return errBadRecord
	}
	r.time = d.int()
	r.account, r.mailbox, r.dst = mail.AccountID(d.uint()), MailboxID(d.uint()), MailboxID(d.uint())
	r.name, r.to, r.use = d.str(), d.str(), SpecialUse(d.str())
	b := d.uint()
	r.on, r.all, r.unchanged = b&1 != 0, b&2 != 0, b&4 != 0
	r.op, r.flags, r.keywords = FlagOp(d.uint()), Flags(d.uint()), d.strs()
	r.since, r.uids = ModSeq(d.uint()), d.uids()
	for range d.count() {
		t := target{Ref: Ref{mail.AccountID(d.uint()), MailboxID(d.uint())}, orInbox: d.uint() == 1}
		t.flags, t.keywords = Flags(d.uint()), d.strs()
		t.date, t.zone = d.int(), d.int()
		r.targets = append(r.targets, t)
	}
	for range d.count() {
		r.threads = append(r.threads, d.fixed64())
	}
	r.cold = []byte(d.str())
	if d.bad || len(d.b) > 0 {
		return errBadRecord
	}
	return nil
}

func packBits(l ...bool) (n uint64) {
	for i, b := range l {
		if b {
			n |= 1 << i
		}
	}
	return n
}
