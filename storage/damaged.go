package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mailstead/mail"
)

// DamagedMessage is a message whose body is damaged or gone.
type DamagedMessage struct {
	Ref
	Name     string // of the account, as given to CreateAccount
	Mailbox  string // its name
	UID      UID
	Expunged bool // it is in the mailbox no more, but could be brought back
	Blob     BlobID
	Reason   string
}

// String is one line for people.
func (d DamagedMessage) String() string {
	where := "in"
	if d.Expunged {
		where = "expunged from"
	}
	return fmt.Sprintf("message of account %q %s mailbox %q, UID %d: %s", d.Name, where, d.Mailbox, d.UID, d.Reason)
}

// nameDamaged reports each message that has one of the bodies.
func (s *Store) nameDamaged(bad map[BlobID]error, rep *Report) error {
	if len(bad) == 0 {
		return nil
	}
	known := map[BlobID]bool{}
	err := s.view(func(x index) error {
		names := map[mail.AccountID]string{}
		add := func(d DamagedMessage) {
			if _, ok := names[d.Account]; !ok {
				a, _ := x.account(d.Account) // without a name it is still told
				names[d.Account] = a.name
			}
			known[d.Blob] = true
			d.Name, d.Reason = names[d.Account], bad[d.Blob].Error()
			if len(rep.Damaged) < maxProblems {
				rep.Damaged = append(rep.Damaged, d)
			}
		}
		x.findDamaged(bad, add)
		return nil
	})
	for _, d := range rep.Damaged {
		rep.Problems = append(rep.Problems, d.String())
	}
	for _, id := range slices.Sorted(maps.Keys(bad)) {
		if !known[id] {
			rep.Problems = append(rep.Problems, bad[id].Error())
		}
	}
	if isDamage(err) {
		return nil // rows that can't be read have been reported
	}
	return err
}

// findDamaged walks all messages, also those that can be brought back.
func (x index) findDamaged(bad map[BlobID]error, found func(DamagedMessage)) {
	for k, v := range x.scan(bucketHot, nil) {
		h, err := decodeHot(v)
		if err != nil || bad[h.blob] == nil {
			continue
		}
		ref := Ref{mail.AccountID(be32(k)), MailboxID(be32(k[4:]))}
		m, _ := x.mailbox(ref) // without a name it is still told
		found(DamagedMessage{Ref: ref, Mailbox: m.Name, UID: UID(be32(k[8:])), Blob: h.blob})
	}
	for k, v := range x.scan(bucketKept, nil) {
		row, err := decodeKept(v)
		if err != nil || bad[row.hot.blob] == nil {
			continue
		}
		id, at := parseKeptKey(k)
		found(DamagedMessage{Ref: Ref{id, at.mailbox}, Mailbox: row.name, UID: at.uid, Expunged: true, Blob: row.hot.blob})
	}
}

// damagedCheckpoint is one that can't be read, and why.
type damagedCheckpoint struct {
	seq uint64
	err error
}

// damagedCheckpoints lists the checkpoints that can't be read.
func (s *Store) damagedCheckpoints(ctx context.Context) (bad []damagedCheckpoint, err error) {
	list, err := checkpoints(s.seg.dir)
	if err != nil {
		return nil, err
	}
	for _, seq := range list {
		_, err := s.readCheckpoint(seq, func([]checkpointRow) error { return ctx.Err() })
		if ctx.Err() != nil {
			return bad, ctx.Err()
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // else a newer one has just come
			bad = append(bad, damagedCheckpoint{seq, err})
		}
	}
	return bad, nil
}

// dropCheckpoints removes the damaged checkpoints: those that are sound stay
// instead.
func (s *Store) dropCheckpoints(ctx context.Context) error {
	bad, err := s.damagedCheckpoints(ctx)
	if err != nil {
		return err
	}
	for _, d := range bad {
		s.log.Warn("damaged checkpoint removed", "seq", d.seq, "err", d.err)
		if err := s.fs.Remove(filepath.Join(s.seg.dir, checkpointName(d.seq))); err != nil {
			return fmt.Errorf("remove damaged checkpoint: %w", err)
		}
	}
	return nil
}

// NotedDamage is Damage, and what was found broken in the index since: that is
// made again by the next Open.
func (s *Store) NotedDamage() []string {
	list := slices.Clone(s.damage)
	if note := DamageNote(s.dir); note != "" {
		list = append(list, "index, made again at the next start: "+note)
	}
	return list
}

// DamageNote tells why the next Open of the store in dir will make its index
// anew; empty when it will not, as far as is known.
func DamageNote(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, damagedMark))
	if err != nil {
		return "" // also when it can't be read: Open will tell
	}
	return strings.TrimSpace(string(b))
}
