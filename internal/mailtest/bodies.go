package mailtest

import (
	"encoding/base64"
	"fmt"
	"math/rand"
	"strings"
)

func encodings() []Message {
	one := func(name, encoding, body string) Message {
		return Message{"encoding: " + name, crlf(head(name)+"Content-Transfer-Encoding: "+encoding+"\n\n") + body}
	}
	charset := func(name, charset, body string) Message {
		return Message{"charset: " + name, crlf(head(name)+"Content-Type: text/plain; charset="+charset+"\n\n") + body}
	}
	long := strings.Repeat("0123456789", 1000)
	return []Message{
		one("base64", "base64", "QUJD\r\nREVG\r\n"),
		one("base64, one line of 10,000", "base64", base64.StdEncoding.EncodeToString([]byte(long))),
		one("base64, empty", "base64", ""),
		one("base64, no padding", "base64", "QUJDRA\r\n"),
		one("base64, cut", "base64", "QUJDR\r\n"),
		one("base64, junk", "base64", "QU*J-D\x00\r\nRE\xffVG\r\n"),
		one("base64, twice", "base64", "QQ==\r\nQg==\r\n"),
		one("base64, text behind", "base64", "QUJD\r\n\r\n-- \r\nlist footer\r\n"),
		one("base64, text without", "base64", "this is no base64 at all!\r\n"),
		one("base64, spaces", "base64", " QU JD\r\n\tREVG \r\n"),
		one("base64, NUL inside", "base64", "AAECAwA=\r\n"),
		one("base64, upper case name", "BASE64", "QUJD\r\n"),
		one("base64, comment", "base64 (yes)", "QUJD\r\n"),
		one("base64, quoted name", "\"base64\"", "QUJD\r\n"),
		one("quoted-printable", "quoted-printable", "a=3Db=\r\nc=C3=BC\r\n"),
		one("quoted-printable, ends in =", "quoted-printable", "a="),
		one("quoted-printable, ends in =4", "quoted-printable", "a=4"),
		one("quoted-printable, not hexadecimal", "quoted-printable", "a=zz=\tb\r\n"),
		one("quoted-printable, lower case", "quoted-printable", "=c3=bc\r\n"),
		one("quoted-printable, spaces at line ends", "quoted-printable", "a \t\r\nb= \r\nc\r\n"),
		one("quoted-printable, 8-bit", "quoted-printable", "\xc3\xbc\xff=00\r\n"),
		one("quoted-printable, controls", "quoted-printable", "a\x00\x01\r\nb\r\n"),
		one("quoted-printable, line of 10,000", "quoted-printable", long+"\r\n"),
		one("quoted-printable, soft breaks alone", "quoted-printable", "=\r\n=\r\n=\r\n"),
		one("8bit", "8bit", "\xc3\xbc\xff\r\n"),
		one("binary with NUL", "binary", "a\x00b\r\n"),
		one("7bit that is not", "7bit", "\xc3\xbc\r\n"),
		one("unknown", "x-odd", "abc\r\n"),
		one("uuencode", "x-uuencode", "begin 644 a\r\n#04)#\r\n`\r\nend\r\n"),
		one("empty name", "", "abc\r\n"),
		one("two names", "base64 quoted-printable", "QUJD\r\n"),
		charset("UTF-8 that is latin 1", "utf-8", "gr\xfc\xdf\r\n"),
		charset("ASCII that is UTF-8", "us-ascii", "gr\xc3\xbc\r\n"),
		charset("latin 1", "iso-8859-1", "gr\xfc\xdf\r\n"),
		charset("unknown", "x-none", "gr\xfc\r\n"),
		charset("UTF-16", "utf-16le", "g\x00r\x00\xfc\x00\r\x00\n\x00"),
		charset("UTF-7", "utf-7", "gr+APw-\r\n"),
		charset("ISO-2022-JP cut", "iso-2022-jp", "\x1b$BF|K\\"),
		charset("empty", "\"\"", "abc\r\n"),
	}
}

func lines() []Message {
	raw := func(name, text string) Message { return Message{"line: " + name, text} }
	type3 := "Content-Type: multipart/mixed; boundary=x"
	return []Message{
		raw("LF alone", "Subject: x\nFrom: a@example.test\n"+type3+"\n\n--x\n\na\n--x\nContent-Type: text/html\n\nb\n--x--\n"),
		raw("LF in the body", "Subject: x\r\n\r\na\nb\nc\r\n"),
		raw("LF in the header", "Subject: x\nFrom: a@example.test\n\nbody\r\n"),
		raw("CR alone", "Subject: x\rFrom: a@example.test\r\rbody\r"),
		raw("CR in the body", "Subject: x\r\n\r\na\rb\r\r\nc\r"),
		raw("CR in the header", "Subject: x\ry\r\nFrom: a@example.test\r\n\r\nbody\r\n"),
		raw("CR CR LF", "Subject: x\r\r\nFrom: a@example.test\r\r\n\r\r\nbody\r\r\n"),
		raw("LF CR", "Subject: x\n\rFrom: a@example.test\n\r\n\rbody\n\r"),
		raw("CR before the boundary", type3+"\r\n\r\n--x\r\n\r\na\r\r\n--x\r\n\r\nb\r--x\r\n--x--\r\n"),
		raw("NUL in the body", "Subject: x\r\n\r\na\x00b\x00\r\n"),
		raw("NUL in a part", type3+"\r\n\r\n--x\r\n\r\n\x00\x00\r\n--x\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\x01\x02\r\n--x--\r\n"),
		raw("NUL alone", "\x00"),
		raw("0xff alone", "\xff\xff\xff"),
		raw("1 MB in the body", "Subject: x\r\n\r\n"+strings.Repeat("y", 1<<20)+"\r\n"),
		raw("1 MB in a part", type3+"\r\n\r\n--x\r\n\r\n"+strings.Repeat("--x ", 1<<18)+"\r\n--x\r\n\r\nb\r\n--x--\r\n"),
		raw("buffer's size before the boundary", type3+"\r\n\r\n--x\r\n\r\n"+strings.Repeat("y", 16<<10-5)+"\r\n--x--\r\n"),
	}
}

// bombs are messages made to cost much.
func bombs() []Message {
	var fields, parts strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&fields, "X-Field-%d: value %d\n", i, i)
	}
	for i := range 5000 {
		fmt.Fprintf(&parts, "--x\nContent-Type: text/plain; name=p%d\n\npart %d\n", i, i)
	}
	list := strings.Repeat("a,", 2000) + "\n"
	message := "--x\nContent-Type: message/rfc822\n\nTo: " + list + "From: " + list + "Cc: " + list + "Bcc: " + list + "Sender: " + list + "Reply-To: " + list + "\nb\n"
	return []Message{
		plain("bomb: 10,000 fields", fields.String(), "body\n"),
		plain("bomb: field of 1 MB", "X-Long: "+strings.Repeat("v", 1<<20)+"\n", "body\n"),
		plain("bomb: subject of 1 MB", "Subject: "+strings.Repeat("v", 1<<20)+"\n", "body\n"),
		plain("bomb: 100,000 folds", "X-Long: "+strings.Repeat("v\n ", 100000)+"\n", "body\n"),
		plain("bomb: comments 100,000 deep", "Cc: "+strings.Repeat("(", 100000)+"\n", "body\n"),
		plain("bomb: 50,000 parameters", "Content-Type: text/plain"+many(50000)+"\n", "body\n"),
		multi("bomb: 5,000 parts", parts.String()+"--x--\n"),
		multi("bomb: 100,000 boundaries", strings.Repeat("--x\n", 100000)),
		multi("bomb: addresses in 120 messages", strings.Repeat(message, 120)+"--x--\n"),
		multi("bomb: parameters in 1,500 parts", strings.Repeat("--x\nContent-Type: text/plain"+many(64)+"; z="+strings.Repeat("z", 3000)+"\n\na\n", 1500)+"--x--\n"),
		plain("bomb: lines of two hyphens", "Content-Type: multipart/mixed; boundary=x\n", strings.Repeat("--\n", 200000)),
	}
}

// drawn are messages put together from odd pieces by a fixed seed.
func drawn() []Message {
	pieces := []string{
		"\r\n", "\r\n", "\r\n\r\n", "--x\r\n", "--x--\r\n", "--y\r\n", "--y--\r\n", "Content-Type: multipart/mixed; boundary=x\r\n", "Content-Type: multipart/alternative; boundary=y\r\n",
		"Content-Type: message/rfc822\r\n", "Content-Type: text/html\r\n", "Content-Transfer-Encoding: base64\r\n", "Content-Transfer-Encoding: quoted-printable\r\n",
		"Subject: drawn\r\n", "From: a@example.test\r\n", "text\r\n", "=41=\r\n", "QUJD\r\n", "\r", "\n", " ", "--",
	}
	random := rand.New(rand.NewSource(1))
	var l []Message
	for i := range 60 {
		var b strings.Builder
		b.WriteString("Content-Type: multipart/mixed; boundary=x\r\n\r\n")
		for range 10 + random.Intn(30) {
			b.WriteString(pieces[random.Intn(len(pieces))])
		}
		l = append(l, Message{fmt.Sprintf("drawn: %d", i), b.String()})
	}
	return l
}
