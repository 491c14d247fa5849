package storage

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sampleRecord() record {
	return record{kind: kindMessage, time: 1700000000, account: 7, mailbox: 3, dst: 9, name: "a/b", to: "c", use: UseSent, on: true, all: true,
		op: ReplaceFlags, flags: Seen | Draft, keywords: []string{"x", "$y"}, unchanged: true, since: 77, uids: UIDSet{{1, 5}, {9, 1<<32 - 1}},
		targets: []target{{Ref: Ref{1, 2}, orInbox: true, flags: Flagged, keywords: []string{"k"}, date: -5, zone: -90}, {Ref: Ref{3, 4}}},
		threads: []uint64{1, 1 << 63}, cold: []byte("cold"), size: 11, crc: 0xfedcba98}
}

func TestRecordPackedAndReadAgain(t *testing.T) {
	t.Parallel()
	want := sampleRecord()
	want.seq, want.continued = 5, true
	meta := want.pack()
	got, n, err := parseHeader(want.header(meta))
	if err != nil || n != int64(len(meta)) {
		t.Fatalf("got %d, %v, want %d", n, err, len(meta))
	}
	if err := got.unpack(meta); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(record{}, target{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func FuzzRecordUnpack(f *testing.F) {
	s := sampleRecord()
	f.Add(s.pack())
	f.Fuzz(func(t *testing.T, b []byte) {
		var r record
		if r.unpack(b) != nil {
			return
		}
		var again record
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
