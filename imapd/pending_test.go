package imapd

import (
	"fmt"
	"strings"
	"testing"
)

// TestPipelinedAppends sends many commands at once: every answer comes in the
// order of the commands, and what follows the APPENDs sees them.
func TestPipelinedAppends(t *testing.T) {
	t.Parallel()
	for _, selected := range []string{"", "Archive", "INBOX"} {
		t.Run("selected "+selected, func(t *testing.T) {
			t.Parallel()
			s := newSuite(t).with(t)
			c := s.login()
			if selected != "" {
				c.ok("SELECT " + selected)
			}
			var out strings.Builder
			const n = 300
			for i := range n {
				text := fmt.Sprintf("Subject: %d\r\n\r\n%s", i, strings.Repeat("x", i*20))
				box := "INBOX"
				if i == 100 {
					box = "Nowhere"
				}
				fmt.Fprintf(&out, "a%d APPEND %s {%d+}\r\n%s\r\n", i, box, len(text), text)
				if i == 200 {
					out.WriteString("b1 STATUS INBOX (MESSAGES)\r\n" + "b2 FROB\r\n")
				}
			}
			out.WriteString("b3 STATUS INBOX (MESSAGES)\r\n")
			go c.send(out.String())
			uid := 0
			for i := range n {
				_, tagged := c.until(fmt.Sprintf("a%d", i))
				want := fmt.Sprintf(" %d] ", uid+1)
				if i == 100 {
					want = "NO [TRYCREATE]"
				} else {
					uid++
				}
				if !strings.Contains(tagged, want) {
					t.Fatalf("got %q, want %q in it", tagged, want)
				}
				if i == 200 {
					if l, _ := c.until("b1"); len(l) == 0 || !strings.Contains(strings.Join(l, ""), "MESSAGES 200") {
						t.Errorf("got %q, want 200 messages", l)
					}
					if _, tagged := c.until("b2"); !strings.HasPrefix(tagged, "BAD") {
						t.Errorf("got %q, want BAD", tagged)
					}
				}
			}
			if l, _ := c.until("b3"); !strings.Contains(strings.Join(l, ""), "MESSAGES 299") {
				t.Errorf("got %q, want 299 messages", l)
			}
		})
	}
}
