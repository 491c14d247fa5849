package smtpd_test

import (
	"strings"
	"testing"

	"mailstead/smtpd"
)

// TestOneLinePerEvent counts the lines of the log at level Info and above that
// a short session leaves.
func TestOneLinePerEvent(t *testing.T) {
	t.Parallel()
	const user, wrong = "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=", "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAB3cm9uZw=="
	message := []string{"MAIL FROM:<alice@example.test>", "RCPT TO:<bob@example.test>", "DATA", "From: alice@example.test\r\nMessage-ID: <1@example.test>\r\n\r\n."}
	tests := []struct {
		name  string
		role  smtpd.Role
		lines []string
		event string
		keys  string
	}{
		{"message", smtpd.Inbound, message, "message accepted", "proto=smtp conn remote qid msgid=<1@example.test> from=alice@example.test rcpt=[bob@example.test] size dur"},
		{"submitted message", smtpd.Submission, append([]string{user}, message...), "message accepted", "proto=submission conn remote account=alice@example.test qid from size"},
		{"bare LF", smtpd.Inbound, append(message[:3:3], "x\ny\r\n."), "message refused", "qid from rcpt size code=550 err"},
		{"storage failure", smtpd.Inbound, []string{message[0], "RCPT TO:<breaks@example.test>", "DATA", "."}, "message refused", "level=ERROR qid from rcpt code=451 err="},
		{"announced size", smtpd.Inbound, []string{"MAIL FROM:<> SIZE=1000000000"}, "message refused", "size=1000000000 code=552 err"},
		{"sender", smtpd.Submission, []string{user, "MAIL FROM:<bob@example.test>"}, "sender refused", "account=alice@example.test from=bob@example.test code=550 err"},
		{"recipient", smtpd.Inbound, []string{"MAIL FROM:<>", "RCPT TO:<unknown@example.test>"}, "recipient refused", "from rcpt=unknown@example.test code=550 err"},
		{"login", smtpd.Submission, []string{user}, "login succeeded", "conn remote account=alice@example.test"},
		{"wrong password", smtpd.Submission, []string{wrong}, "login failed", "conn remote account=alice@example.test code=535 err"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, smtpd.Options{Role: tt.role, AllowInsecureAuth: true})
			p := s.greeted(t)
			for _, l := range tt.lines {
				p.send(l)
				p.reply()
			}
			p.do("QUIT", "221 *")
			p.wantEnd()
			var got []string
			for l := range strings.Lines(s.log.String()) {
				if !strings.Contains(l, "level=DEBUG") && (tt.event == "login succeeded" || !strings.Contains(l, "login succeeded")) {
					got = append(got, l)
				}
			}
			if len(got) != 1 || !strings.Contains(got[0], `msg="`+tt.event+`"`) {
				t.Fatalf("got %q, want one line %q", got, tt.event)
			}
			for _, want := range strings.Fields(tt.keys) {
				if !strings.Contains(want, "=") {
					want += "="
				}
				if !strings.Contains(strings.ReplaceAll(got[0], `"`, ""), " "+want) {
					t.Errorf("got %q, want %s in it", got[0], want)
				}
			}
		})
	}
}
