package imapd

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	gomessage "github.com/emersion/go-message"
	messagemail "github.com/emersion/go-message/mail"
	"github.com/emersion/go-message/textproto"

	"mailstead/internal/mailtest"
)

// differs lists what go-message reads in another way on purpose, by the beginning
// of names of messages. What is named is not compared.
var differs = []struct{ name, what, why string }{
	{"nested: message in base64", "structure", "RFC 2046 §5.2.1: message/rfc822 is never encoded; IMAP could not number its parts, so it is a leaf"},
	{"deep: multipart 100", "structure", "40 levels are described, the next is a leaf"},
	{"deep: message 100", "structure", "40 levels are described, the next is a leaf"},
	{"boundary: none given", "structure", "RFC 9051 §9: a multipart has parts; one without a boundary is read as text (RFC 2046 §5.1.1)"},
	{"boundary: empty", "structure", "RFC 2046 §5.1.1: a boundary has 1 to 70 characters"},
	{"boundary: twice in the header", "structure", "the first counts; go-message reads no parameter then (RFC 2045 §5.1 knows one of a name)"},
	{"boundary: of 300 characters", "structure", "RFC 2046 §5.1.1: a boundary has at most 70 characters; 200 are taken"},
	{"boundary: followed by text", "raw binary", "RFC 2046 §5.1.1: a delimiter is a whole line, only white space may follow"},
	{"line: 1 MB in a part", "structure", "RFC 2046 §5.1.1: a delimiter is a whole line, only white space may follow"},
	{"boundary: not closed", "raw binary", "RFC 2046 §5.1.1: only the line break before a delimiter belongs to it"},
	{"boundary: two in a row", "structure", "RFC 2046 §5.1: a part may have no header and no body; go-message stops"},
	{"boundary: many in a row", "structure", "RFC 2046 §5.1: a part may have no header and no body; go-message stops"},
	{"boundary: part ends in its header", "structure", "RFC 2046 §5.1: the delimiter ends the part, its header too; go-message stops"},
	{"boundary: LF where the message has CRLF", "structure", "RFC 5322 §2.3 knows no LF alone; it is taken for a line break everywhere"},
	{"cut: ", "structure raw binary", "RFC 2046 §5.1.2: the end of the message ends all parts; go-message drops a header or delimiter that is cut"},
	{"type: spaces around the slash", "structure", "RFC 2045 §5.1, RFC 822 §3.1.4: white space may stand between tokens"},
	{"type: comment", "structure", "RFC 2045 §5.1: comments may stand in the field"},
	{"type: of 200 characters", "structure", "RFC 6838 §4.2: a type has at most 127 characters"},
	{"header: nothing but text", "structure", "a line that is no field (RFC 5322 §2.2) is passed over; go-message refuses the message"},
	{"header: first line is folded", "structure", "a line that is no field (RFC 5322 §2.2) is passed over; go-message refuses the message"},
	{"header: line without a colon", "structure", "a line that is no field (RFC 5322 §2.2) is passed over; go-message refuses the message"},
	{"header: mbox line", "structure", "a line that is no field (RFC 5322 §2.2) is passed over; go-message refuses the message"},
	{"header: space in the name", "structure", "a line that is no field (RFC 5322 §2.2) is passed over; go-message refuses the message"},
	{"header: 8-bit name", "structure", "a name that is not ASCII (RFC 5322 §2.2) is passed over; go-message refuses the message"},
	{"header: twice", "address", "RFC 5322 §3.6 allows one From; the addresses of all are shown"},
	{"address: 3,000 of them", "address", "2,000 addresses of a field are described"},
	{"encoding: base64, no padding", "binary", "RFC 2045 §6.8: what can be decoded is; go-message ends with an error"},
	{"encoding: base64, junk", "binary", "RFC 2045 §6.8: other characters must be ignored"},
	{"encoding: base64, twice", "binary", "RFC 2045 §6.8: = may, but need not, be taken for the end"},
	{"encoding: base64, text", "binary", "RFC 2045 §6.8: other characters must be ignored"},
	{"encoding: base64, comment", "encoding", "RFC 2045 §5.1: comments may stand in the field"},
	{"encoding: base64, quoted name", "encoding", "RFC 2045 §6.1: it is no token, so the default holds"},
	{"encoding: two names", "encoding", "RFC 2045 §6.1: it is no token, so the default holds"},
	{"encoding: quoted-printable, controls", "binary", "RFC 2045 §6.7 advises to read on"},
	{"encoding: quoted-printable, line of 10,000", "binary", "RFC 2045 §6.7 advises to read on; go-message takes lines of 4,096"},
	{"line: CR alone", "envelope", "RFC 5322 §2.2: CR stands only before LF; others are taken out as folds are"},
	{"line: CR in the header", "envelope", "RFC 5322 §2.2: CR stands only before LF; others are taken out as folds are"},
	{"line: CR CR LF", "structure", "a line that is no field (RFC 5322 §2.2) is passed over; go-message refuses the message"},
	{"line: LF CR", "structure", "a line that is no field (RFC 5322 §2.2) is passed over; go-message refuses the message"},
	{"line: NUL alone", "structure", "a line that is no field (RFC 5322 §2.2) is passed over; go-message refuses the message"},
	{"line: 0xff alone", "structure", "a line that is no field (RFC 5322 §2.2) is passed over; go-message refuses the message"},
	{"bomb: 5,000 parts", "structure", "2,000 parts are described"},
	{"bomb: 100,000 boundaries", "structure", "2,000 parts are described; go-message stops at the first that has no header"},
	{"bomb: addresses in 120 messages", "structure", "2 MiB of all parts together are described"},
	{"drawn: ", "structure raw binary", "the reasons of boundary, cut and header above, several at once; what holds without go-message is proved of them too"},
}

// readPart is a part as go-message reads it.
type readPart struct {
	number, typ  string
	raw, decoded string
	header       gomessage.Header
	unknown      bool // its encoding
}

// independent reads a message with go-message, as far as that goes.
func independent(text string) []readPart {
	br := bufio.NewReader(strings.NewReader(text))
	h, err := textproto.ReadHeader(br)
	if err != nil {
		return nil
	}
	body, _ := io.ReadAll(br) // from memory
	return readInto(nil, "", gomessage.Header{Header: h}, string(body), "text/plain")
}

func readInto(l []readPart, number string, h gomessage.Header, body, typ string) []readPart {
	params := map[string]string{}
	if h.Has("Content-Type") {
		t, p, err := h.ContentType()
		if typ, params = t, p; err != nil || !strings.Contains(t, "/") {
			typ, params = "text/plain", map[string]string{}
		}
	}
	own := number
	if number == "" || strings.HasSuffix(number, ".") {
		own = number + "1"
	}
	e, err := gomessage.New(h, strings.NewReader(body))
	decoded, _ := io.ReadAll(e.Body) // what can be read is compared
	p := readPart{own, typ, body, string(decoded), h, gomessage.IsUnknownEncoding(err)}
	switch {
	case strings.HasPrefix(typ, "multipart/") && params["boundary"] != "":
		r, n := textproto.NewMultipartReader(strings.NewReader(body), params["boundary"]), 0
		p.number = strings.TrimSuffix(number, ".")
		at := len(l)
		l = append(l, p)
		for {
			part, err := r.NextPart()
			if err != nil {
				break
			}
			n++
			raw, _ := io.ReadAll(part) // a missing end is the end of the message
			l = readInto(l, join(number, n), gomessage.Header{Header: part.Header}, string(raw), map[bool]string{true: "message/rfc822", false: "text/plain"}[typ == "multipart/digest"])
		}
		if n == 0 {
			l[at].number, l[at].typ = own, "text/plain"
		}
		return l
	case typ == "message/rfc822" || typ == "message/global":
		l = append(l, p)
		br := bufio.NewReader(strings.NewReader(body))
		inner, err := textproto.ReadHeader(br)
		if err != nil {
			return l
		}
		rest, _ := io.ReadAll(br) // from memory
		return readInto(l, own+".", gomessage.Header{Header: inner}, string(rest), "text/plain")
	}
	return append(l, p)
}

// agree compares what the server says of a message with what go-message does.
func agree(t *testing.T, m mailtest.Message, r *reading, used map[int]bool) {
	t.Helper()
	report := func(what, format string, args ...any) {
		t.Helper()
		for i, d := range differs {
			if strings.HasPrefix(m.Name, d.name) && strings.Contains(d.what, what) {
				used[i] = true
				return
			}
		}
		t.Errorf(what+": "+format, args...)
	}
	theirs := map[string]readPart{}
	list := independent(m.Text)
	for _, p := range list {
		theirs[p.number] = p
	}
	ours := map[string]*seenPart{}
	var walk func(p *seenPart)
	walk = func(p *seenPart) {
		ours[p.number] = p
		for _, c := range p.children {
			walk(c)
		}
	}
	walk(r.root)
	if len(ours) != len(theirs) {
		report("structure", "got %d parts, want %d", len(ours), len(theirs))
		return
	}
	for number, p := range ours {
		q, ok := theirs[number]
		if !ok || !strings.EqualFold(q.typ, p.typ) {
			report("structure", "part %q: got %s, want %s", number, p.typ, q.typ)
			continue
		}
		if len(p.children) > 0 || p.mime == "" && p.body == "" {
			continue
		}
		if want := strings.ReplaceAll(q.raw, "\x00", "\x80"); p.body != want {
			report("raw", "part %s: got %.100q, want %.100q", number, p.body, want)
		}
		if q.unknown == decodable(p.encoding) {
			report("encoding", "part %s: got %q", number, p.encoding)
		} else if !q.unknown && p.decoded != q.decoded {
			report("binary", "part %s: got %.100q, want %.100q", number, p.decoded, q.decoded)
		}
	}
	root := gomessage.Header{}
	if len(list) > 0 {
		root = list[0].header
	}
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for i, name := range map[int]string{0: "Date", 1: "Subject", 8: "In-Reply-To", 9: "Message-Id"} {
		if got, want := words(text(r.env[i])), words(root.Get(name)); got != words(strings.ReplaceAll(want, "\x00", " ")) {
			report("envelope", "%s: got %.100q, want %.100q", name, got, want)
		}
	}
	mh := messagemail.Header{Header: root}
	for i, name := range map[int]string{2: "From", 5: "To", 6: "Cc", 7: "Bcc"} {
		list, err := mh.AddressList(name)
		if err != nil {
			continue // it can't read the field
		}
		var got, want []string
		boxes, _ := r.env[i].([]any)
		for _, b := range boxes {
			if a := b.([]any); a[3] != nil { // groups are not in a list of net/mail's
				got = append(got, fmt.Sprintf("%s@%s", text(a[2]), text(a[3])))
			}
		}
		for _, a := range list {
			want = append(want, a.Address)
		}
		if strings.Join(got, ",") != strings.Join(want, ",") {
			report("address", "%s: got %.200q, want %.200q", name, got, want)
		}
	}
}
