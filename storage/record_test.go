package storage

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sampleRecord() record {
	return record{kind: kindMessage, time: 1700000000, account: 7, mailbox: 3, dst: 9, name: "a/b", to: "c", use: UseSent, on: true, all: true,
		op: ReplaceFlags, flags: Seen | Draft, keywords: []string{"x", "$y"}, unchanged: true, since: 77, uids: UIDSet{{1, 5}, {9, 1<<32 - 1}},
		targets: []target{{Ref: Ref{1, 2}, orInbox: true, flags: Flagged, keywords: []string{"k"}, date: -5, zone: -90}, {Ref: Ref{3, 4}}},
		threads: []uint64{1, 1 << 63}, size: 11, crc: 0xfedcba98}
}

func TestRecordPackedAndReadAgain(t *testing.T) {
	t.Parallel()
	message := sampleRecord()
	message.packed, message.rawSize, message.rawCRC = true, 50, 99
	tests := []struct {
		name string
		rec  record
	}{
		{"message", message},
		{"message aside", record{kind: kindMessage, aside: 12, size: 1 << 21, crc: 1}},
		{"relocate", record{kind: kindRelocate, blob: 4, from: position{2, 900}, size: 3, crc: 8}},
		{"forget", record{kind: kindForget, segment: 77}},
		{"purge", record{kind: kindPurge, before: 1700000000, limit: 500}},
		{"undelete", record{kind: kindUndelete, kept: []keptKey{{1700000000, 3, 9}, {1, 2, 3}}}},
		{"reserve", record{kind: kindReserve, account: 1, mailbox: 2, validity: 7, uidNext: 50, since: 9}},
		{"annotate", record{kind: kindAnnotate, account: 1, mailbox: 2, name: "a", user: 3, notes: []noted{{"/comment", true, "\x00x"}, {"/gone", false, ""}}}},
		{"share", record{kind: kindShare, account: 1, mailbox: 2, name: "a", op: RemoveFlags, grant: Grant{To: 3, Negative: true, Rights: AllRights}}},
		{"flags with a mask", record{kind: kindFlags, uids: UIDSet{{1, 2}}, mask: FlagMask{Flags: Seen | Draft, Keywords: true}}},
		{"copy with a mask", record{kind: kindCopy, targets: []target{{Ref: Ref{2, 3}}}, mask: FlagMask{Keywords: true}}},
		{"create mailbox", record{kind: kindCreateMailbox, name: "a", validity: 5}},
		{"expunge", record{kind: kindExpunge, keep: true, on: true, uids: UIDSet{{1, 2}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := tt.rec
			want.seq, want.continued, want.first = 5, true, true
			meta := want.pack()
			got, hd, err := parseHeader(want.header(meta, [8]byte{1, 2, 3}))
			if err != nil || hd.metaLen != int64(len(meta)) || hd.salt != [8]byte{1, 2, 3} {
				t.Fatalf("got %+v, %v, want length %d", hd, err, len(meta))
			}
			if err := got.unpack(meta); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got, cmp.AllowUnexported(record{}, target{}, position{}, keptKey{}, noted{}), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func FuzzRecordUnpack(f *testing.F) {
	s := sampleRecord()
	f.Add(uint8(s.kind), s.pack())
	u := record{kind: kindUndelete, kept: []keptKey{{1700000000, 3, 9}}}
	f.Add(uint8(u.kind), u.pack())
	n := record{kind: kindAnnotate, user: 3, notes: []noted{{"/comment", true, "x"}}}
	f.Add(uint8(n.kind), n.pack())
	sh := record{kind: kindShare, account: 1, mailbox: 2, grant: Grant{To: 3, Rights: AllRights}}
	f.Add(uint8(sh.kind), sh.pack())
	mv := record{kind: kindMove, mask: FlagMask{Flags: Seen}}
	f.Add(uint8(mv.kind), mv.pack())
	f.Fuzz(func(t *testing.T, k uint8, b []byte) {
		r := record{kind: kind(k)}
		if r.unpack(b) != nil {
			return
		}
		again := record{kind: kind(k)}
		if err := again.unpack(r.pack()); err != nil {
			t.Fatalf("packed again, not readable: %v", err)
		}
	})
}

func FuzzHotRow(f *testing.F) {
	h := hotRow{modseq: 9, flags: Seen, keywords: []uint32{1, 300}, date: 1700000000, zone: 120, saved: 1700000005, size: 1 << 33, blob: 8, thread: 4}
	f.Add(h.pack())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHot(b)
		if err != nil {
			return
		}
		again, err := decodeHot(h.pack())
		if d := cmp.Diff(h, again, cmp.AllowUnexported(hotRow{})); err != nil || d != "" {
			t.Fatalf("%v\n%s", err, d)
		}
	})
}
