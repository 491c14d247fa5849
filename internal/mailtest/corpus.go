package mailtest

import (
	"fmt"
	"strings"
)

// Message is one message of the corpus.
type Message struct {
	// Name tells what is odd about it, as "group: detail".
	Name string
	Text string
}

// Corpus gives all messages, in an order that does not change.
func Corpus() []Message {
	var l []Message
	for _, group := range []func() []Message{nested, boundaries, multiparts, cut, types, parameters, headers, addresses, encodings, lines, bombs, drawn} {
		l = append(l, group()...)
	}
	return l
}

// crlf writes every line break as CRLF.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// head is the header of a message whose Content- fields follow.
func head(subject string) string {
	return "From: Ann <ann@example.test>\nTo: bob@example.test\nSubject: " + subject + "\nDate: Mon, 7 Feb 2022 21:52:25 +0100\nMIME-Version: 1.0\n"
}

// plain makes a message with one more field or some, and a body.
func plain(name, fields, body string) Message {
	return Message{name, crlf(head(name) + fields + "\n" + body)}
}

// multi makes a multipart/mixed with the boundary x.
func multi(name, body string) Message {
	return plain(name, "Content-Type: multipart/mixed; boundary=x\n", body)
}

func nested() []Message {
	l := []Message{
		multi("nested: message in message in message", "--x\nContent-Type: message/rfc822\n\nSubject: one\nContent-Type: message/rfc822\n\nSubject: two\nContent-Type: message/rfc822\n\nSubject: three\nFrom: c@example.test\n\nthe innermost\n--x--\n"),
		multi("nested: multipart in a message in a multipart", "--x\n\nfirst\n--x\nContent-Type: message/rfc822\nContent-Description: inner\n\nSubject: in\nContent-Type: multipart/alternative; boundary=y\n\n--y\n\na\n--y\nContent-Type: text/html\n\n<p>a\n--y--\n\n--x\n\nlast\n--x--\n"),
		multi("nested: message without a header", "--x\nContent-Type: message/rfc822\n\n\nonly a body\n--x--\n"),
		multi("nested: message without a body", "--x\nContent-Type: message/rfc822\n\nSubject: only a header\n\n--x--\n"),
		multi("nested: message that is empty", "--x\nContent-Type: message/rfc822\n\n--x--\n"),
		multi("nested: message of one line break", "--x\nContent-Type: message/rfc822\n\n\n\n--x--\n"),
		multi("nested: message whose header does not end", "--x\nContent-Type: message/rfc822\n\nSubject: cut\n--x--\n"),
		multi("nested: message in base64", "--x\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA0KDQp5\n--x--\n"),
		multi("nested: message/global", "--x\nContent-Type: message/global\nContent-Transfer-Encoding: 8bit\n\nSubject: gr\u00fc\u00df\n\nb\u00f6dy\n--x--\n"),
		multi("nested: message/partial", "--x\nContent-Type: message/partial; id=a; number=1; total=2\n\nSubject: x\n\ny\n--x--\n"),
		multi("nested: message/external-body", "--x\nContent-Type: message/external-body; access-type=local-file; name=\"/x\"\n\nContent-Type: image/gif\n\n--x--\n"),
		multi("nested: delivery report", "--x\n\nnot delivered\n--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; example.test\n\nFinal-Recipient: rfc822; a@example.test\nAction: failed\n--x\nContent-Type: text/rfc822-headers\n\nSubject: x\n\n--x--\n"),
		plain("nested: message at the root", "Content-Type: message/rfc822\n", "Subject: in\nFrom: i@example.test\n\nbody of it\n"),
		plain("nested: multipart in a message at the root", "Content-Type: message/rfc822\n", "Subject: in\nContent-Type: multipart/mixed; boundary=y\n\n--y\n\na\n--y\n\nb\n--y--\n"),
	}
	for _, depth := range []int{5, 20, 100} {
		l = append(l, deepMultipart(depth), deepMessage(depth))
	}
	return l
}

func deepMultipart(depth int) Message {
	var b strings.Builder
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"level %d\"\n\n--level %d\n", i, i)
	}
	b.WriteString("\nthe leaf\n")
	for i := depth - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "--level %d--\n", i)
	}
	return Message{fmt.Sprintf("deep: multipart %d", depth), crlf(head("deep") + b.String())}
}

func deepMessage(depth int) Message {
	text := head("deep")
	for i := range depth {
		text += fmt.Sprintf("Content-Type: message/rfc822\n\nSubject: level %d\n", i)
	}
	return Message{fmt.Sprintf("deep: message %d", depth), crlf(text + "\nthe leaf\n")}
}

func boundaries() []Message {
	return []Message{
		plain("boundary: none given", "Content-Type: multipart/mixed\n", "--x\n\na\n--x--\n"),
		plain("boundary: empty", "Content-Type: multipart/mixed; boundary=\"\"\n", "--\n\na\n----\n"),
		plain("boundary: another one", "Content-Type: multipart/mixed; boundary=y\n", "--x\n\na\n--x--\n"),
		plain("boundary: twice in the header", "Content-Type: multipart/mixed; boundary=x; boundary=y\n", "--x\n\na\n--y\n\nb\n--x--\n"),
		plain("boundary: of 70 characters", "Content-Type: multipart/mixed; boundary="+strings.Repeat("b", 70)+"\n", "--"+strings.Repeat("b", 70)+"\n\na\n--"+strings.Repeat("b", 70)+"--\n"),
		plain("boundary: of 300 characters", "Content-Type: multipart/mixed; boundary="+strings.Repeat("b", 300)+"\n", "--"+strings.Repeat("b", 300)+"\n\na\n--"+strings.Repeat("b", 300)+"--\n"),
		plain("boundary: with spaces and signs", "Content-Type: multipart/mixed; boundary=\"a b'()+_,-./:=?c\"\n", "--a b'()+_,-./:=?c\n\na\n--a b'()+_,-./:=?c--\n"),
		plain("boundary: ends in --", "Content-Type: multipart/mixed; boundary=\"x--\"\n", "--x--\n\na\n--x--\n\nb\n--x----\n"),
		plain("boundary: a prefix of the inner one", "Content-Type: multipart/mixed; boundary=x\n", "--x\nContent-Type: multipart/alternative; boundary=xy\n\n--xy\n\na\n--xy\n\nb\n--xy--\n--x\n\nc\n--x--\n"),
		plain("boundary: the inner one is a prefix", "Content-Type: multipart/mixed; boundary=xy\n", "--xy\nContent-Type: multipart/alternative; boundary=x\n\n--x\n\na\n--x\n\nb\n--x--\n--xy\n\nc\n--xy--\n"),
		multi("boundary: the same inside", "--x\nContent-Type: multipart/alternative; boundary=x\n\n--x\n\na\n--x\n\nb\n--x--\n--x\n\nc\n--x--\n"),
		multi("boundary: inner one not closed", "--x\nContent-Type: multipart/alternative; boundary=y\n\n--y\n\na\n--x\n\nb\n--x--\n"),
		multi("boundary: inner one never met", "--x\nContent-Type: multipart/alternative; boundary=y\n\nno parts\n--x\n\nb\n--x--\n"),
		multi("boundary: inside of a line", "--x\n\na --x\n --x\n--x--\n"),
		multi("boundary: followed by text", "--x\n\n--xa\n--x a\n--x--a\n--x--\n"),
		multi("boundary: white space behind it", "--x \t \n\na\n--x\t\n\nb\n--x-- \t\n"),
		multi("boundary: closed twice", "--x\n\na\n--x--\n--x\n\nb\n--x--\n"),
		multi("boundary: not closed", "--x\n\na\n--x\n\nb\n"),
		multi("boundary: only the closing one", "--x--\n"),
		multi("boundary: two in a row", "--x\n--x\n\na\n--x--\n"),
		multi("boundary: many in a row", strings.Repeat("--x\n", 20)+"--x--\n"),
		multi("boundary: part ends in its header", "--x\nContent-Type: text/html\n--x--\n"),
		multi("boundary: right behind the header", "--x\nContent-Type: text/html\n\n--x--\n"),
		multi("boundary: part of one line break", "--x\n\n\n--x--\n"),
		multi("boundary: part of two line breaks", "--x\n\n\n\n--x--\n"),
		multi("boundary: no line break at the end", "--x\n\na\n--x--"),
		{"boundary: LF where the message has CRLF", strings.Replace(crlf(head("lf")+"Content-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x\n\nb\n--x--\n"), "a\r\n--x\r\n", "a\n--x\n", 1)},
	}
}

func multiparts() []Message {
	return []Message{
		multi("multipart: text before and after", "before\nand more\n--x\n\na\n--x--\nafter\n--y\n"),
		multi("multipart: of one part", "--x\n\na\n--x--\n"),
		plain("multipart: digest", "Content-Type: multipart/digest; boundary=x\n", "--x\n\nSubject: one\nFrom: a@example.test\n\nfirst\n--x\nContent-Type: text/plain\n\nno message\n--x\nContent-Description: d\n\nSubject: two\n\nsecond\n--x--\n"),
		multi("multipart: digest inside", "--x\nContent-Type: multipart/digest; boundary=y\n\n--y\n\nSubject: one\n\nfirst\n--y--\n--x--\n"),
		plain("multipart: signed", "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; micalg=pgp-sha256; boundary=x\n", "--x\n\nsigned \n--x\nContent-Type: application/pgp-signature; name=s.asc\n\n-----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n--x--\n"),
		plain("multipart: related", "Content-Type: multipart/related; type=\"text/html\"; start=\"<a@b>\"; boundary=x\n", "--x\nContent-Type: text/html\nContent-ID: <a@b>\n\n<img src=cid:c@d>\n--x\nContent-Type: image/png\nContent-ID: <c@d>\nContent-Location: a/b.png\nContent-Transfer-Encoding: base64\nContent-Disposition: inline; filename=b.png\n\niVBORw0KGgo=\n--x--\n"),
		plain("multipart: unknown subtype", "Content-Type: multipart/x-odd; boundary=x\n", "--x\n\na\n--x--\n"),
		plain("multipart: says base64", "Content-Type: multipart/mixed; boundary=x\nContent-Transfer-Encoding: base64\n", "--x\n\na\n--x--\n"),
		plain("multipart: says quoted-printable", "Content-Type: multipart/mixed; boundary=\"x=y\"\nContent-Transfer-Encoding: quoted-printable\n", "--x=y\n\na=3D\n--x=y--\n"),
		multi("multipart: all Content fields", "--x\nContent-Type: text/plain; charset=utf-8\nContent-ID: <i@example.test>\nContent-Description: de\n scription\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\nContent-Language: de, en\nContent-Location: http://example.test/\n a\nContent-Disposition: attachment; filename=\"f.txt\"; size=1\n\na\n--x--\n"),
		multi("multipart: parts of different encodings", "--x\nContent-Transfer-Encoding: base64\n\nQUJD\n--x\nContent-Transfer-Encoding: quoted-printable\n\n=41=42=\n=43\n--x\nContent-Transfer-Encoding: 8BIT\n\n\u00fc\n--x\nContent-Transfer-Encoding: binary\n\nb\n--x--\n"),
	}
}

// cut gives one message that ends at many places.
func cut() []Message {
	whole := crlf(head("cut") + "Content-Type: multipart/mixed; boundary=\"the boundary\"\n\npreamble\n--the boundary\nContent-Type: text/plain; charset=utf-8\n" +
		"Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=\n=C3=9Fe\n--the boundary\nContent-Type: message/rfc822\n\nSubject: inner\nFrom: <i@example.test>\n" +
		"Content-Type: multipart/alternative; boundary=inner\n\n--inner\n\ntext\n--inner\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\nPHA+dGV4dDwvcD4=\n--inner--\n" +
		"--the boundary\nContent-Type: application/octet-stream; name=\"a b\"\n\nbytes\n--the boundary--\nepilogue\n")
	var l []Message
	for at := 0; at < len(whole); at += 13 {
		l = append(l, Message{fmt.Sprintf("cut: at %d", at), whole[:at]})
	}
	return append(l, Message{"cut: nowhere", whole})
}
