package imapd

import (
	"slices"
	"strings"
	"testing"
)

// TestLettersCompareWithoutCase: RFC 5255 §4.4 level 1 is i;unicode-casemap for
// SEARCH, SORT and THREAD; it takes letters apart from their marks (RFC 5051), so
// that É comes before Z.
func TestLettersCompareWithoutCase(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	for _, subject := range []string{"=?utf-8?q?=C3=89t=C3=A9_b?=", "=?iso-8859-1?q?=E9T=C9_a?=", "zebra"} {
		s.deliver("INBOX", "Subject: "+subject+"\r\n\r\n", 0)
	}
	sc := s.login()
	if got := sc.ok("CAPABILITY"); !slices.Contains(strings.Fields(got[0]), "I18NLEVEL=1") {
		t.Errorf("got %q, want I18NLEVEL=1 in it", got)
	}
	sc.ok("ENABLE UTF8=ACCEPT")
	sc.ok("SELECT INBOX")
	for command, want := range map[string]string{
		`SEARCH SUBJECT "ÉTÉ"`:     "* SEARCH 1 2",
		`SORT (SUBJECT) UTF-8 ALL`: "* SORT 2 1 3",
		`THREAD ORDEREDSUBJECT UTF-8 OR SUBJECT "été a" SUBJECT zebra`: "* THREAD (2)(3)",
	} {
		if got := sc.ok(command); got[0] != want {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
}
