package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"mailstead/mail"
)

// maxProblems bounds what one Check reports.
const maxProblems = 1000

// CheckOptions of Check. The zero value looks at the index alone.
type CheckOptions struct {
	// Bodies reads every body and verifies its CRC.
	Bodies bool
	// Progress is called now and then; may be nil.
	Progress func(done, total int64)
}

// Report is what Check found.
type Report struct {
	Accounts, Mailboxes, Messages, Bodies int64
	Problems                              []string         // all of them, for people
	Damaged                               []DamagedMessage // those of Problems that are about one message
}

// checker gathers the sums the invariants speak of.
type checker struct {
	x       index
	rep     *Report
	holders map[BlobID]uint64
}

func (c *checker) problem(format string, args ...any) {
	if len(c.rep.Problems) < maxProblems {
		c.rep.Problems = append(c.rep.Problems, fmt.Sprintf(format, args...))
	}
}

// Check verifies the invariants of the package comment on the index as it is
// at this moment, and with Bodies what the log holds. The error is only that
// the check itself could not be done.
func (s *Store) Check(ctx context.Context, o CheckOptions) (Report, error) {
	var rep Report
	var blobs []BlobID
	err := s.view(func(x index) error {
		c := &checker{x, &rep, map[BlobID]uint64{}}
		c.rows()
		live := map[uint32]int64{}
		b := x.tx.Bucket([]byte(bucketAcct)).Cursor()
		for k, _ := b.First(); k != nil; k, _ = b.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			c.account(mail.AccountID(binary.BigEndian.Uint32(k)))
		}
		c.strays()
		c.annotations(0)
		c.grants()
		lc := x.tx.Bucket([]byte(bucketLoc)).Cursor()
		for k, _ := lc.First(); k != nil; k, _ = lc.Next() {
			id := BlobID(binary.BigEndian.Uint64(k))
			blobs = append(blobs, id)
			l, ok := x.loc(id)
			live[l.pos.segment] += l.length()
			if !ok || l.holders != c.holders[id] {
				c.problem("body %d: %d accounts noted to hold it, %d do", id, l.holders, c.holders[id])
			}
			delete(c.holders, id)
		}
		for id := range c.holders {
			c.problem("body %d: held by messages, but its place is not known", id)
		}
		c.segments(live)
		if x.state.fault != nil && len(rep.Problems) == 0 {
			c.problem("index: %v", x.state.fault)
		}
		return nil
	})
	if isDamage(err) {
		rep.Problems = append(rep.Problems, err.Error())
		err = nil
	}
	rep.Problems = append(rep.Problems, s.damage...)
	rep.Bodies = int64(len(blobs))
	if err != nil || !o.Bodies {
		return rep, err
	}
	bad := map[BlobID]error{}
	for i, id := range blobs {
		if o.Progress != nil && i%256 == 0 {
			o.Progress(int64(i), int64(len(blobs)))
		}
		if err := ctx.Err(); err != nil {
			return rep, err
		}
		if err := s.verify(id); err != nil && !errors.Is(err, ErrNoMessage) && len(bad) < maxProblems {
			bad[id] = err
		}
	}
	if err := s.nameDamaged(bad, &rep); err != nil {
		return rep, err
	}
	damaged, err := s.damagedCheckpoints(ctx)
	for _, d := range damaged {
		if !slices.Contains(rep.Problems, d.err.Error()) { // Open may have met it
			rep.Problems = append(rep.Problems, d.err.Error())
		}
	}
	return rep, err
}

// verify reads a body anew, whatever is remembered of it.
func (s *Store) verify(id BlobID) error {
	l, c, err := s.openStored(id)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := s.proveBody(id, l, c); err != nil || !l.packed {
		return err
	}
	p, err := openPacked(s.packer, c, l.rawSize)
	if err != nil {
		return fmt.Errorf("body %d: %w", id, err)
	}
	if crc, err := bodyCRC(p, l.rawSize); err != nil || crc != l.rawCRC {
		return fmt.Errorf("body %d does not decompress to what it was: %w", id, errors.Join(ErrDamaged, err))
	}
	return nil
}

// rows reads every row there is.
func (c *checker) rows() {
	for _, bucket := range bucketNames() {
		b := c.x.tx.Bucket([]byte(bucket))
		cur := b.Cursor()
		for k, v := cur.First(); k != nil; k, v = cur.Next() {
			// Rows may all be there and the tree above them lead astray.
			if b.Get(k) == nil {
				_ = c.x.state.damaged(bucket, k) // the next start makes the index again
				c.problem("index: a row of %s is not found by its key %x", bucket, k)
			}
			if _, ok := openRow(k, v); !ok {
				_ = c.x.state.damaged(bucket, k) // the next start makes the index again
				c.problem("index: a row of %s is damaged, key %x", bucket, k)
			}
		}
	}
}

// segments compares what is noted of them with the bodies in them.
func (c *checker) segments(live map[uint32]int64) {
	for k, v := range c.x.scan(bucketSeg, nil) {
		d := rowReader{b: v}
		n := be32(k)
		if written, noted := d.int(), d.int(); noted != live[n] || written < noted {
			c.problem("segment %d: %d bytes written and %d live noted, messages hold %d", n, written, noted, live[n])
		}
		delete(live, n)
	}
	for n, bytes := range live {
		if bytes > 0 {
			c.problem("segment %d: not noted, messages hold %d bytes of it", n, bytes)
		}
	}
}

// kept adds up what expunged messages of an account hold.
func (c *checker) kept(id mail.AccountID, blobs map[BlobID]uint64) {
	for k, v := range c.x.scan(bucketKept, accountKey(id)) {
		row, err := decodeKept(v)
		if err != nil {
			c.problem("account %d: expunged message %x: %v", id, k, err)
			continue
		}
		blobs[row.hot.blob]++
	}
}

func (c *checker) account(id mail.AccountID) {
	c.rep.Accounts++
	a, err := c.x.account(id)
	if err != nil {
		c.problem("account %d: %v", id, err)
		return
	}
	if _, ok := c.x.byName(id, "INBOX"); !ok {
		c.problem("account %d: no INBOX", id)
	}
	blobs := map[BlobID]uint64{}
	words := c.x.keywordNames(id)
	var bytes, count int64
	for _, k := range c.x.under(bucketMbox, accountKey(id)) {
		ref := Ref{id, MailboxID(binary.BigEndian.Uint32(k[4:]))}
		m := c.mailbox(ref, a, words, blobs)
		bytes, count = bytes+m.Bytes, count+int64(m.Messages)
	}
	if bytes != a.bytes || count != a.count {
		c.problem("account %d: counts %d messages of %d bytes, mailboxes hold %d of %d", id, a.count, a.bytes, count, bytes)
	}
	c.kept(id, blobs)
	c.annotations(id)
	for b, n := range blobs {
		c.holders[b]++
		k := wideKey(id, uint64(b))
		if !c.x.has(bucketCold, k) {
			c.problem("account %d: body %d has no description", id, b)
		}
		d := uint64(1)
		if v := c.x.get(bucketDup, k); v != nil {
			d, _ = binary.Uvarint(v)
		}
		if d != n {
			c.problem("account %d: body %d noted for %d messages, %d have it", id, b, d, n)
		}
	}
	for _, bucket := range []string{bucketCold, bucketDup} {
		for _, k := range c.x.under(bucket, accountKey(id)) {
			if b := BlobID(binary.BigEndian.Uint64(k[4:])); blobs[b] == 0 {
				c.problem("account %d: body %d in %s, but in no mailbox", id, b, bucket)
			}
		}
	}
	if names := len(c.x.under(bucketName, accountKey(id))); names != len(c.x.under(bucketMbox, accountKey(id))) {
		c.problem("account %d: %d names for %d mailboxes", id, names, len(c.x.under(bucketMbox, accountKey(id))))
	}
}

// mailbox checks one mailbox, adds up what its messages hold, and gives the
// sums.
func (c *checker) mailbox(ref Ref, a accountRow, words map[uint32]string, blobs map[BlobID]uint64) Mailbox {
	c.rep.Mailboxes++
	m, err := c.x.mailbox(ref)
	if err != nil {
		c.problem("account %d: mailbox %d: %v", ref.Account, ref.Mailbox, err)
		return m
	}
	if id, ok := c.x.byName(ref.Account, m.Name); !ok || id != ref.Mailbox {
		c.problem("account %d: mailbox %q is not listed by its name", ref.Account, m.Name)
	}
	if m.HighestModSeq > a.modseq || m.UIDValidity > a.uidValidity || ref.Mailbox >= a.nextMailbox {
		c.problem("account %d: mailbox %q is ahead of the account's counters", ref.Account, m.Name)
	}
	c.history(ref, m)
	sum := Mailbox{}
	prefix := refKey(ref)
	cur := c.x.tx.Bucket([]byte(bucketHot)).Cursor()
	for k, v := cur.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = cur.Next() {
		uid := UID(binary.BigEndian.Uint32(k[8:]))
		h, err := c.x.hot(k, v)
		if err != nil || uid == 0 || uid >= m.UIDNext || h.modseq > m.HighestModSeq || h.modseq == 0 {
			c.problem("account %d: mailbox %q: UID %d: damaged or ahead of the mailbox (%v)", ref.Account, m.Name, uid, err)
			continue
		}
		for _, w := range h.keywords {
			if words[w] == "" {
				c.problem("account %d: mailbox %q: UID %d: keyword %d has no name", ref.Account, m.Name, uid, w)
			}
		}
		count(&sum, &h, 1)
		blobs[h.blob]++
		c.rep.Messages++
	}
	if sum.Messages != m.Messages || sum.Unseen != m.Unseen || sum.Deleted != m.Deleted || sum.Bytes != m.Bytes || sum.DeletedBytes != m.DeletedBytes {
		c.problem("account %d: mailbox %q: counters %+v, messages %+v", ref.Account, m.Name, m, sum)
	}
	return sum
}

// strays looks for rows of accounts that do not exist.
func (c *checker) strays() {
	for _, bucket := range []string{bucketMbox, bucketName, bucketSub, bucketKw, bucketHot, bucketCold, bucketDup, bucketThread, bucketGone, bucketKept, bucketAnno} {
		cur := c.x.tx.Bucket([]byte(bucket)).Cursor()
		for k, _ := cur.First(); k != nil; {
			id := binary.BigEndian.Uint32(k)
			if !c.x.has(bucketAcct, k[:4]) && !(bucket == bucketAnno && id == 0) { // account 0: the server itself
				c.problem("%s: rows of account %d, which does not exist", bucket, id)
			}
			if id == 1<<32-1 {
				break
			}
			k, _ = c.x.seek(cur, bucket, accountKey(mail.AccountID(id+1)))
		}
	}
}
