package storage

import "encoding/binary"

// rowWriter packs rows and records: varints and length-prefixed strings.
type rowWriter struct{ b []byte }

func (w *rowWriter) int(v int64)   { w.b = binary.AppendVarint(w.b, v) }
func (w *rowWriter) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *rowWriter) str(s string)  { w.uint(uint64(len(s))); w.b = append(w.b, s...) }

func (w *rowWriter) strs(l []string) {
	w.uint(uint64(len(l)))
	for _, s := range l {
		w.str(s)
	}
}

// uids packs a set as distances.
func (w *rowWriter) uids(s UIDSet) {
	w.uint(uint64(len(s)))
	last := UID(0)
	for _, r := range s {
		w.uint(uint64(r.First - last))
		w.uint(uint64(r.Last - r.First))
		last = r.Last
	}
}

// rowReader reads what rowWriter wrote; safe on any bytes. bad tells that
// something could not be read.
type rowReader struct {
	b   []byte
	bad bool
}

func (d *rowReader) fail() { d.b, d.bad = nil, true }

func (d *rowReader) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *rowReader) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads the number of things that follow, at least a byte each.
func (d *rowReader) count() int {
	v := d.uint()
	if v > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(v)
}

func (d *rowReader) str() string {
	n := d.count()
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *rowReader) strs() (l []string) {
	for range d.count() {
		l = append(l, d.str())
	}
	return l
}

func (d *rowReader) uids() (s UIDSet) {
	last := uint64(0)
	for range d.count() {
		first := last + d.uint()
		last = first + d.uint()
		if last > 1<<32-1 || first == 0 {
			d.fail()
			return nil
		}
		s = append(s, UIDRange{UID(first), UID(last)})
	}
	return s
}

func (d *rowReader) fixed64() uint64 {
	if len(d.b) < 8 {
		d.fail()
		return 0
	}
	v := binary.BigEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}
