package storage

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"mailstead/mail"
)

// A record of the log: a header, the packed change (meta), and for a message
// its body. docs/storage.md has every byte.
//
//	0  magic "MSr3"    4  kind    5  flags    6  zero, zero    8  sequence
//	16 length of meta  20 length of body  28 CRC of the body  32 salt
//	40 CRC of header and meta
//
// The salt is that of the segment, and random: nobody can send a message whose
// bytes pass for a record. Format 2 had "MSr2" and the kinds up to kindReserve.
// Format 1 had "MSr1", no salt, and the CRC of header and meta before that of
// the body.
const (
	recordMagic   = "MSr3"
	recordMagicV2 = "MSr2"
	recordHeader  = 44
	recordMagicV1 = "MSr1"
	recordHeadV1  = 36
	maxMeta       = 64 << 20
	metaVersion   = 2
)

// Flags of a record.
const (
	// flagContinued: the next record belongs to the same group; a group is
	// applied whole or not at all.
	flagContinued = 1 << iota
	// flagPacked: the body is compressed, see packed.go.
	flagPacked
	// flagAside: the body lies in a file of its own, see aside.go; none follows.
	flagAside
	// flagFirst: the first record of a batch. All that lies before it was
	// synced before it was written.
	flagFirst
	flagsEnd
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
	kindRelocate // a message again, at another place of the log
	kindForget   // a segment is gone
	kindPurge    // what was expunged before a time is given up
	kindUndelete // what was expunged is back
	kindReserve  // a mailbox goes on with the UIDs of another time
	kindAnnotate // annotations of a mailbox or the server
	kindShare    // an entry of a mailbox's access control list
	kindEnd
)

// record is one change, complete: applying it needs nothing but the index.
type record struct {
	kind      kind
	continued bool
	packed    bool // the body is compressed
	first     bool // of its batch
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
	cold    []byte   // packed mail.Message, as the index keeps it; format 1 has it in the log
	size    int64    // of the body as the log holds it
	crc     uint32   // of the same

	keep     bool     // what is expunged can be brought back
	blob     BlobID   // Relocate: the message's
	from     position // Relocate: where it lay
	segment  uint32   // Forget
	before   int64    // Purge: Unix seconds
	limit    uint64   // Purge: rows at most
	kept     []keptKey
	validity uint32         // CreateMailbox, Reserve: its UIDVALIDITY, zero to choose
	uidNext  UID            // Reserve
	aside    uint64         // number of the file with the body, zero for none
	rawSize  int64          // of the message, when its body is compressed
	rawCRC   uint32         // of the same
	user     mail.AccountID // Annotate: whose they are, zero for everybody's
	notes    []noted        // Annotate
	grant    Grant          // Share
	mask     FlagMask       // Flags, Copy, Move: what is not touched

	// makeAccounts is never in the log: accounts to make first when a damaged
	// log is replayed.
	makeAccounts []mail.AccountID
	// revive is never in the log either: what lies before the record is damaged.
	// A Relocate stands for a message that nothing else tells of, and a mailbox
	// goes only when it is empty.
	revive bool
	// place, never in the log, is told how far the record is applied; may be nil.
	place *Place
}

// message tells how long the message itself is and its CRC.
func (r *record) message() (int64, uint32) {
	if r.packed {
		return r.rawSize, r.rawCRC
	}
	return r.size, r.crc
}

// inLog is the number of bytes of body that follow the record.
func (r *record) inLog() int64 {
	if r.aside != 0 {
		return 0
	}
	return r.size
}

// target is a Target as the log keeps it.
type target struct {
	Ref
	orInbox  bool
	flags    Flags
	keywords []string
	date     int64 // Unix seconds
	zone     int64 // minutes east of UTC
	uid      UID   // asked for, zero for the next
}

var errBadRecord = errors.New("not a record")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header packs the record's header; meta is what pack gave.
func (r *record) header(meta []byte, salt [8]byte) []byte {
	h := make([]byte, recordHeader)
	copy(h, recordMagic)
	h[4] = byte(r.kind)
	h[5] = byte(packBits(r.continued, r.packed, r.aside != 0, r.first))
	binary.BigEndian.PutUint64(h[8:], r.seq)
	binary.BigEndian.PutUint32(h[16:], uint32(len(meta)))
	binary.BigEndian.PutUint64(h[20:], uint64(r.size))
	binary.BigEndian.PutUint32(h[28:], r.crc)
	copy(h[32:], salt[:])
	binary.BigEndian.PutUint32(h[40:], crc32.Update(crc32.Checksum(h[:40], castagnoli), castagnoli, meta))
	return h
}

// head is what a record's header says beside the record itself.
type head struct {
	length  int64 // of the header
	metaLen int64
	salt    [8]byte
	crc     uint32 // of header and meta
	sum     uint32 // of the header, to be continued with meta
}

// parseHeader reads a header of either format from the beginning of h; meta's
// CRC is not verified yet.
func parseHeader(h []byte) (r record, hd head, err error) {
	if len(h) < recordHeadV1 || h[4] == 0 || h[4] >= byte(kindEnd) || h[5] >= flagsEnd {
		return r, hd, errBadRecord
	}
	r.kind = kind(h[4])
	r.continued, r.packed, r.first = h[5]&flagContinued != 0, h[5]&flagPacked != 0, h[5]&flagFirst != 0
	r.seq = binary.BigEndian.Uint64(h[8:])
	hd.metaLen = int64(binary.BigEndian.Uint32(h[16:]))
	r.size = int64(binary.BigEndian.Uint64(h[20:]))
	switch {
	case (string(h[:4]) == recordMagic || string(h[:4]) == recordMagicV2) && len(h) >= recordHeader:
		hd.length, hd.salt = recordHeader, [8]byte(h[32:])
		r.crc, hd.crc = binary.BigEndian.Uint32(h[28:]), binary.BigEndian.Uint32(h[40:])
		hd.sum = crc32.Checksum(h[:40], castagnoli)
	case string(h[:4]) == recordMagicV1:
		hd.length = recordHeadV1
		r.crc, hd.crc = binary.BigEndian.Uint32(h[32:]), binary.BigEndian.Uint32(h[28:])
		hd.sum = crc32.Update(crc32.Checksum(h[:28], castagnoli), castagnoli, h[32:36])
	default:
		return r, hd, errBadRecord
	}
	hasBody := r.kind == kindMessage || r.kind == kindRelocate
	if hd.metaLen > maxMeta || r.size < 0 || r.size > 0 && !hasBody {
		return r, hd, errBadRecord
	}
	return r, hd, nil
}

// pack writes the change itself. Every kind has every field of the first part,
// then what only its own kind needs.
func (r *record) pack() []byte {
	w := rowWriter{b: make([]byte, 0, 96)}
	w.uint(metaVersion)
	w.int(r.time)
	w.uint(uint64(r.account))
	w.uint(uint64(r.mailbox))
	w.uint(uint64(r.dst))
	w.str(r.name)
	w.str(r.to)
	w.str(string(r.use))
	w.uint(packBits(r.on, r.all, r.unchanged, r.keep))
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
		w.uint(uint64(t.uid))
	}
	w.uint(uint64(len(r.threads)))
	for _, h := range r.threads {
		w.b = binary.BigEndian.AppendUint64(w.b, h)
	}
	r.packOwn(&w)
	return w.b
}

// packOwn writes what only the record's kind has.
func (r *record) packOwn(w *rowWriter) {
	switch r.kind {
	case kindMessage, kindRelocate:
		w.uint(r.aside)
		w.int(r.rawSize)
		w.uint(uint64(r.rawCRC))
		if r.kind == kindRelocate {
			w.uint(uint64(r.blob))
			w.uint(uint64(r.from.segment))
			w.int(r.from.offset)
		}
	case kindFlags, kindCopy, kindMove:
		if r.mask != (FlagMask{}) {
			w.uint(r.mask.pack())
		}
	case kindShare:
		w.uint(uint64(r.grant.To))
		w.uint(packBits(r.grant.Negative))
		w.uint(uint64(r.grant.Rights))
	case kindCreateMailbox:
		w.uint(uint64(r.validity))
	case kindReserve:
		w.uint(uint64(r.validity))
		w.uint(uint64(r.uidNext))
	case kindForget:
		w.uint(uint64(r.segment))
	case kindPurge:
		w.int(r.before)
		w.uint(r.limit)
	case kindUndelete:
		w.uint(uint64(len(r.kept)))
		for _, k := range r.kept {
			w.int(k.time)
			w.uint(uint64(k.mailbox))
			w.uint(uint64(k.uid))
		}
	case kindAnnotate:
		w.uint(uint64(r.user))
		w.uint(uint64(len(r.notes)))
		for _, n := range r.notes {
			w.str(n.entry)
			w.uint(packBits(n.set))
			w.str(n.value)
		}
	}
}

func (r *record) unpackOwn(d *rowReader) {
	switch r.kind {
	case kindMessage, kindRelocate:
		r.aside, r.rawSize, r.rawCRC = d.uint(), d.int(), uint32(d.uint())
		if r.kind == kindRelocate {
			r.blob, r.from = BlobID(d.uint()), position{uint32(d.uint()), d.int()}
		}
	case kindFlags, kindCopy, kindMove:
		r.unpackOwnMask(d)
	case kindShare:
		r.grant = Grant{mail.AccountID(d.uint()), d.uint() == 1, Rights(d.uint()) & AllRights}
	case kindCreateMailbox:
		r.validity = uint32(d.uint())
	case kindReserve:
		r.validity, r.uidNext = uint32(d.uint()), UID(d.uint())
	case kindForget:
		r.segment = uint32(d.uint())
	case kindPurge:
		r.before, r.limit = d.int(), d.uint()
	case kindUndelete:
		for range d.count() {
			r.kept = append(r.kept, keptKey{d.int(), MailboxID(d.uint()), UID(d.uint())})
		}
	case kindAnnotate:
		r.user = mail.AccountID(d.uint())
		for range d.count() {
			r.notes = append(r.notes, noted{entry: d.str(), set: d.uint() == 1, value: d.str()})
		}
	}
}

// unpack reads what pack wrote into r.
func (r *record) unpack(meta []byte) error {
	d := rowReader{b: meta}
	version := d.uint()
	if version < 1 || version > metaVersion {
		return errBadRecord
	}
	r.time = d.int()
	r.account, r.mailbox, r.dst = mail.AccountID(d.uint()), MailboxID(d.uint()), MailboxID(d.uint())
	r.name, r.to, r.use = d.str(), d.str(), SpecialUse(d.str())
	b := d.uint()
	r.on, r.all, r.unchanged, r.keep = b&1 != 0, b&2 != 0, b&4 != 0, b&8 != 0
	r.op, r.flags, r.keywords = FlagOp(d.uint()), Flags(d.uint()), d.strs()
	r.since, r.uids = ModSeq(d.uint()), d.uids()
	for range d.count() {
		t := target{Ref: Ref{mail.AccountID(d.uint()), MailboxID(d.uint())}, orInbox: d.uint() == 1}
		t.flags, t.keywords = Flags(d.uint()), d.strs()
		t.date, t.zone = d.int(), d.int()
		if version > 1 {
			t.uid = UID(d.uint())
		}
		r.targets = append(r.targets, t)
	}
	for range d.count() {
		r.threads = append(r.threads, d.fixed64())
	}
	if version > 1 {
		r.unpackOwn(&d)
	} else if cold := d.str(); cold != "" {
		r.cold = packCold([]byte(cold))
	}
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
