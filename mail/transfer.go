package mail

import (
	"bufio"
	"io"
)

// base64Values gives the six bits of each character of base64, notBase64 for
// all others (RFC 2045 §6.8).
var base64Values = func() (t [256]byte) {
	for i := range t {
		t[i] = notBase64
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	return t
}()

const notBase64 = 0xff

// base64Reader undoes base64 and never fails on what is damaged: characters
// that don't belong are passed over, "=" ends a group, so that what several
// encoders wrote one after the other is all read (RFC 2045 §6.8).
type base64Reader struct {
	r     io.Reader
	err   error
	group uint32 // bits of the group begun
	have  int    // characters of it
	in    [1024]byte
	room  [1024]byte
	out   []byte // of room, to be given
}

// Read implements io.Reader.
func (d *base64Reader) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		n, err := d.r.Read(d.in[:])
		d.out = d.room[:0]
		for _, c := range d.in[:n] {
			d.character(c)
		}
		if d.err = err; err != nil {
			d.endGroup()
		}
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

func (d *base64Reader) character(c byte) {
	v := base64Values[c]
	if v == notBase64 {
		if c == '=' {
			d.endGroup()
		}
		return
	}
	d.group = d.group<<6 | uint32(v)
	if d.have++; d.have == 4 {
		d.out = append(d.out, byte(d.group>>16), byte(d.group>>8), byte(d.group))
		d.group, d.have = 0, 0
	}
}

// endGroup gives the whole bytes of a group that is not full.
func (d *base64Reader) endGroup() {
	switch d.have {
	case 2:
		d.out = append(d.out, byte(d.group>>4))
	case 3:
		d.out = append(d.out, byte(d.group>>10), byte(d.group>>2))
	}
	d.group, d.have = 0, 0
}

// maxBlanks is how many spaces and tabs in a row quoted-printable looks ahead:
// longer runs are taken as meant, wherever they stand.
const maxBlanks = 4000

// quotedReader undoes quoted-printable and never fails on what is damaged: an
// "=" that begins nothing stands for itself, and so do bytes that should have
// been encoded (RFC 2045 §6.7).
type quotedReader struct {
	r      *bufio.Reader
	blanks []byte // met, not known yet whether they end the line
	out    []byte // to be given
}

func newQuotedReader(r io.Reader) *quotedReader {
	return &quotedReader{r: bufio.NewReaderSize(r, maxBlanks+16)}
}

// Read implements io.Reader.
func (q *quotedReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(q.out) > 0 {
			k := copy(p[n:], q.out)
			q.out, n = q.out[k:], n+k
			continue
		}
		c, err := q.r.ReadByte()
		switch {
		case err != nil && n > 0:
			return n, nil // the error stays
		case err != nil:
			return 0, err
		case c > ' ' && c != '=' && len(q.blanks) == 0:
			p[n] = c
			n++
		default:
			q.character(c)
		}
	}
	return n, nil
}

func (q *quotedReader) character(c byte) {
	switch {
	case c == ' ' || c == '\t':
		if q.blanks = append(q.blanks, c); len(q.blanks) >= maxBlanks {
			q.give()
		}
	case c == '\n':
		q.blanks = q.blanks[:0]
		q.give('\n')
	case c == '\r' && q.next(0) == '\n':
		q.blanks = q.blanks[:0]
		q.skip(1)
		q.give('\r', '\n')
	case c == '=':
		q.escape()
	default:
		q.give(c)
	}
}

// give gives the blanks that waited, and what follows them.
func (q *quotedReader) give(b ...byte) {
	q.out = append(append(q.out[:0], q.blanks...), b...)
	q.blanks = q.blanks[:0]
}

// escape reads what follows an "=": two digits, or blanks to the end of the line
// or of all.
func (q *quotedReader) escape() {
	if hi, lo := hexValue(q.next(0)), hexValue(q.next(1)); hi >= 0 && lo >= 0 {
		q.skip(2)
		q.give(byte(hi<<4 | lo))
		return
	}
	for i := range maxBlanks {
		switch q.next(i) {
		case ' ', '\t':
			continue
		case '\n':
			q.skip(i + 1)
			q.give()
			return
		case '\r':
			if q.next(i+1) == '\n' {
				q.skip(i + 2)
				q.give()
				return
			}
		case -1:
			q.skip(i)
			q.give()
			return
		}
		break
	}
	q.give('=')
}

// next is the byte i places ahead, -1 behind the end.
func (q *quotedReader) next(i int) int {
	b, _ := q.r.Peek(i + 1) // an error comes again when it is read
	if len(b) <= i {
		return -1
	}
	return int(b[i])
}

func (q *quotedReader) skip(n int) { _, _ = q.r.Discard(n) } // they have been seen

func hexValue(c int) int {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return -1
}
