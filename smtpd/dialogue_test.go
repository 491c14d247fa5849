package smtpd_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mailstead/smtpd"
)

// TestDialogues plays the files of testdata against a server, over a socket.
// A line of such a file is one of these; * in an expectation stands for
// anything, \r \n \t \\ and \xNN in what the client says are what they are in Go:
//
//	# a comment
//	@ key value     an option of the server, before everything else:
//	                role submission, tls implicit|none, maxsize, maxheader,
//	                maxrcpt, insecure, commandtimeout, greetdelay
//	C: text         the client sends text and CR LF
//	C| text         the client sends text alone
//	C*N text        the client sends text N times, without line breaks between
//	S: text         the server's next line
//	S+ text         the server's next reply; text is its last line
//	TLS             the client begins TLS
//	NEW             another connection, to the same server; the greeting is read
//	END             the server closes the connection
//	D: text         a message was delivered (the next, in order); text is its
//	                reverse-path and forward-paths: <from> <to> <to>
//	D| text         the next line of that message
//	D.              that message has no more lines
//	D0              no message was delivered
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("got %d dialogues, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			play(t, f)
		})
	}
}

// dialogue is a file being played.
type dialogue struct {
	t     *testing.T
	o     smtpd.Options
	s     *suite
	p     *peer
	nth   int      // messages looked at
	lines []string // of the message being looked at
}

func play(t *testing.T, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := &dialogue{t: t}
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		if problem := d.step(line); problem != "" {
			t.Fatalf("%s:%d: %s: %s", file, n, line, problem)
		}
	}
	if d.s == nil {
		t.Fatalf("%s: says nothing", file)
	}
}

// step plays one line and tells what is wrong.
func (d *dialogue) step(line string) string {
	if option, ok := strings.CutPrefix(line, "@ "); ok {
		return d.option(option)
	}
	if d.s == nil {
		d.s = start(d.t, d.o)
		d.p = d.s.dial(d.t)
	}
	kind, text := line, ""
	if i := strings.IndexByte(line, ' '); i >= 0 {
		kind, text = line[:i], line[i+1:]
	}
	switch kind {
	case "C:":
		d.p.raw(unquote(d.t, text) + "\r\n")
	case "C|":
		d.p.raw(unquote(d.t, text))
	case "S:":
		if got := d.p.line(); !match(text, got) {
			return fmt.Sprintf("got %q", got)
		}
	case "S+":
		if got := d.p.reply(); !match(text, got) {
			return fmt.Sprintf("got %q", got)
		}
	case "TLS":
		d.p.secure()
	case "NEW":
		d.p = d.s.dial(d.t)
		d.p.want("220 *")
	case "END":
		d.p.wantEnd()
	case "D:", "D|", "D.", "D0":
		return d.delivered(kind, text)
	default:
		n, err := strconv.Atoi(strings.TrimPrefix(kind, "C*"))
		if err != nil {
			return "not a line of a dialogue"
		}
		d.p.raw(strings.Repeat(unquote(d.t, text), n))
	}
	return ""
}

func (d *dialogue) delivered(kind, text string) string {
	all := d.s.deliver.all()
	switch kind {
	case "D0":
		if len(all) != 0 {
			return fmt.Sprintf("got %d messages", len(all))
		}
		return ""
	case "D.":
		if len(d.lines) != 0 {
			return fmt.Sprintf("got more: %q", d.lines)
		}
		return ""
	case "D|":
		if len(d.lines) == 0 {
			return "got no more lines"
		}
		got := d.lines[0]
		d.lines = d.lines[1:]
		if !match(text, got) {
			return fmt.Sprintf("got %q", got)
		}
		return ""
	}
	if d.nth >= len(all) {
		return fmt.Sprintf("got %d messages", len(all))
	}
	m := all[d.nth]
	d.nth++
	d.lines = strings.Split(strings.TrimSuffix(m.text, "\r\n"), "\r\n")
	got := "<" + m.env.From.String() + ">"
	for _, to := range m.env.To {
		got += " <" + to.String() + ">"
	}
	if !match(text, got) {
		return fmt.Sprintf("got %q", got)
	}
	return ""
}

func (d *dialogue) option(text string) string {
	key, value, _ := strings.Cut(text, " ")
	number, err := strconv.Atoi(value)
	if err != nil {
		number = -1
	}
	switch key {
	case "role":
		d.o.Role = smtpd.Submission
	case "tls":
		d.o.ImplicitTLS = value == "implicit"
		if value == "none" {
			d.o.TLS = noTLS
		}
	case "insecure":
		d.o.AllowInsecureAuth = true
	case "maxsize":
		d.o.MaxMessageSize = int64(number)
	case "maxheader":
		d.o.MaxHeaderSize = number
	case "maxrcpt":
		d.o.MaxRecipients = number
	case "commandtimeout", "greetdelay":
		dur, err := time.ParseDuration(value)
		if err != nil {
			return err.Error()
		}
		if key == "greetdelay" {
			d.o.GreetDelay = dur
		} else {
			d.o.CommandTimeout = dur
		}
	default:
		return "no such option"
	}
	return ""
}

// unquote reads the escapes of what a client says.
func unquote(t *testing.T, s string) string {
	t.Helper()
	if !strings.Contains(s, `\`) {
		return s
	}
	u, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return u
}
