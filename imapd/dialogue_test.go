package imapd

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// TestDialogues speaks testdata/dialogues: "C: " is sent, "S: " must come,
// between slashes as a regular expression. A digit before the colon names the
// connection ("C2:"), which begins when it is first used. "\n" is a line break,
// "\0" NUL, and "C- " sends without a line break. "FILL: 3" delivers messages,
// "SKIP: a1" reads up to the answer to a1, "TLS:" begins TLS, "DEFLATE:" and "PLAIN:" begin and end compression, "EOF:" is the server hanging up. Numbers of UIDVALIDITY
// read N; "$VALIDITY" is sent as that of INBOX.
// MAILBOXID of a SELECT is passed over where it is not named. "MAIL: x" delivers a
// message, with line breaks as above. "LIMIT: 3" in the first line is the
// server's MessageLimit.
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("found %d dialogues, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d := dialogue{t: t, on: map[string]*script{}}
			d.s = newSuite(t, func(o *Options) {
				if _, err := fmt.Sscanf(string(text), "LIMIT: %d\n", &o.MessageLimit); err != nil {
					o.MessageLimit = 0
				}
			})
			for n, line := range strings.Split(string(text), "\n") {
				if line = strings.TrimRight(line, "\r"); line == "" || line[0] == '#' {
					continue
				}
				if err := d.speak(line); err != nil {
					t.Fatalf("%s:%d: %v", file, n+1, err)
				}
			}
		})
	}
}

type dialogue struct {
	t  *testing.T
	s  *suite
	on map[string]*script
}

// connection gives the connection of that name. Reading the greeting is left to
// the dialogue.
func (d *dialogue) connection(name string) *script {
	if d.on[name] == nil {
		d.on[name] = d.s.open()
	}
	return d.on[name]
}

func (d *dialogue) speak(line string) error {
	i := strings.IndexAny(line, ":-")
	if i < 0 {
		return fmt.Errorf("not understood: %q", line)
	}
	word, text := line[:i], strings.TrimPrefix(line[i+1:], " ")
	name := strings.TrimLeftFunc(word, unicode.IsUpper)
	sc := d.connection(name)
	switch strings.TrimSuffix(word, name) {
	case "C":
		if strings.Contains(text, "$VALIDITY") {
			box, err := d.s.store.Mailbox(alice, "INBOX")
			if err != nil {
				return err
			}
			text = strings.ReplaceAll(text, "$VALIDITY", strconv.Itoa(int(box.UIDValidity)))
		}
		text = strings.NewReplacer(`\n`, "\r\n", `\0`, "\x00").Replace(text)
		if line[i] == ':' {
			text += "\r\n"
		}
		_, err := sc.c.Write([]byte(text))
		return err
	case "S":
		got, err := sc.r.ReadString('\n')
		if strings.HasPrefix(got, "* OK [MAILBOXID (") && !strings.Contains(text, "MAILBOXID") {
			got, err = sc.r.ReadString('\n')
		}
		if err != nil {
			return fmt.Errorf("got %q, %w, want %q", got, err, text)
		}
		return compare(validity.ReplaceAllString(strings.TrimSuffix(got, "\r\n"), "$1 N"), text)
	case "SKIP": // up to the tagged answer
		sc.until(text)
	case "EOF":
		if got, err := sc.r.ReadString('\n'); err == nil {
			return fmt.Errorf("got %q, want the end", got)
		}
	case "MAIL":
		d.s.deliver("INBOX", strings.ReplaceAll(text, `\n`, "\n"), 0)
	case "LIMIT": // told the server
	case "FILL":
		n, err := strconv.Atoi(text)
		d.s.fill("INBOX", n)
		return err
	case "TLS":
		c := tls.Client(sc.c, &tls.Config{RootCAs: d.s.roots, ServerName: "127.0.0.1"})
		if err := c.Handshake(); err != nil {
			return err
		}
		sc.c = c
		sc.r.Reset(c)
	case "DEFLATE":
		sc.deflate()
	case "PLAIN":
		sc.plain()
	default:
		return fmt.Errorf("not understood: %q", line)
	}
	return nil
}

func compare(got, want string) error {
	if len(want) > 1 && strings.HasPrefix(want, "/") && strings.HasSuffix(want, "/") {
		re, err := regexp.Compile("^(?:" + want[1:len(want)-1] + ")$")
		if err != nil {
			return err
		}
		if !re.MatchString(got) {
			return fmt.Errorf("got %q, want /%s/", got, re)
		}
		return nil
	}
	if got != want {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}
