package imapd

import (
	"fmt"
	"strings"
	"testing"

	"mailstead/mail"
	"mailstead/storage"
)

// TestMultiAppendLimits: 1000 messages in one command are the most, together no
// longer than one may be.
func TestMultiAppendLimits(t *testing.T) {
	t.Parallel()
	c := newSuite(t, func(o *Options) { o.MaxMessageSize = 30_000 }).login()
	many := func(n, size int) string {
		return "APPEND INBOX" + strings.Repeat(fmt.Sprintf(" {%d+}\r\n%s", size, strings.Repeat("x", size)), n)
	}
	c.answers(many(1000, 30), "OK [APPENDUID N 1:1000]")
	c.answers(many(1001, 2), "NO [MESSAGELIMIT 1000] ")
	c.answers(many(1000, 31), "NO [TOOBIG]")
	c.answers(many(1, 30_000), "OK [APPENDUID N 1001]")
	c.answers(many(1, 30_001), "NO [TOOBIG]")
	c.says("STATUS INBOX (MESSAGES)", `* STATUS "INBOX" (MESSAGES 1001)`)
}

// TestAppendQuota: what does not fit is refused before it is sent, REPLACE only
// for what it takes more.
func TestAppendQuota(t *testing.T) {
	t.Parallel()
	s := newSuiteOn(t, t.TempDir(), storage.Options{Quota: func(mail.AccountID) int64 { return 100 }})
	c := s.login()
	c.answers("APPEND INBOX {60+}\r\n"+strings.Repeat("x", 60)+" {41}", "NO [OVERQUOTA]")
	c.answers("APPEND INBOX {60+}\r\n"+strings.Repeat("x", 60)+" {30+}\r\n"+strings.Repeat("x", 30), "OK [APPENDUID N 1:2]")
	c.ok("SELECT INBOX")
	c.answers("REPLACE 1 INBOX {71}", "NO [OVERQUOTA]")
	c.answers(`APPEND INBOX CATENATE (URL "/INBOX/;UID=2")`, "NO [OVERQUOTA]")
	c.answers("REPLACE 1 INBOX {70+}\r\n"+strings.Repeat("x", 70), "OK")
	c.answers("APPEND INBOX {1}", "NO [OVERQUOTA]")
}

// TestAppendConvertsBigPart converts a part with NUL that is longer than any
// buffer, and gives it back as it was.
func TestAppendConvertsBigPart(t *testing.T) {
	t.Parallel()
	c := newSuite(t).login()
	data := strings.Repeat("\x00\x01binary\r\n", 100_000)
	message := "Content-Type: application/octet-stream\r\n\r\n" + data
	c.answers(fmt.Sprintf("APPEND INBOX ~{%d+}\r\n%s", len(message), message), "OK")
	c.ok("SELECT INBOX")
	c.send("f FETCH 1 BINARY.PEEK[1]\r\n")
	c.expect(fmt.Sprintf("* 1 FETCH (BINARY[1] ~{%d}", len(data)))
	got := make([]byte, len(data))
	for n := 0; n < len(got); {
		k, err := c.r.Read(got[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	if string(got) != data {
		t.Error("the part is another one")
	}
	c.expect(")")
	c.expect("f OK")
}

// TestCatenatePicksFields takes header fields of a message, which are in memory
// and not read from a file, and a part of them.
func TestCatenatePicksFields(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 1)
	c := s.login()
	const fields = "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(Subject)"
	c.answers(`APPEND INBOX CATENATE (URL "`+fields+`" TEXT {4+}`+"\r\ntext)", "OK")
	c.answers(`APPEND INBOX CATENATE (URL "`+fields+`/;PARTIAL=9.7")`, "OK")
	c.answers(`APPEND INBOX CATENATE (URL "`+fields+`/;PARTIAL=500" TEXT {1+}`+"\r\nx)", "OK")
	c.ok("SELECT INBOX")
	c.says("UID FETCH 2:4 BODY.PEEK[]",
		"* 2 FETCH (BODY[] {26}", "Subject: message 1", "", "text UID 2)",
		"* 3 FETCH (BODY[] {7}", "message UID 3)",
		"* 4 FETCH (BODY[] {1}", "x UID 4)")
}
