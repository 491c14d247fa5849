package interop

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// marionette drives Thunderbird by the protocol of that name: messages of JSON,
// each after its length and a colon.
type marionette struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	n    int
	// shots is where pictures go.
	shots string
}

// dialMarionette waits until Thunderbird listens, and lets scripts run with its
// own rights.
func dialMarionette(t *testing.T, port int, shots string) *marionette {
	t.Helper()
	deadline := time.Now().Add(clientTimeout)
	for {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() }) // only read from
			m := &marionette{t: t, conn: conn, r: bufio.NewReader(conn), shots: shots}
			m.receive()
			m.do("WebDriver:NewSession", map[string]any{"capabilities": map[string]any{}})
			m.do("Marionette:SetContext", map[string]any{"value": "chrome"})
			m.do("WebDriver:SetTimeouts", map[string]any{"script": 2 * clientTimeout.Milliseconds()})
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("Thunderbird does not listen: %v", err)
		}
		wait := time.NewTimer(100 * time.Millisecond)
		<-wait.C
	}
}

func (m *marionette) receive() json.RawMessage {
	m.t.Helper()
	if err := m.conn.SetDeadline(time.Now().Add(3 * clientTimeout)); err != nil {
		m.t.Fatal(err)
	}
	size, err := m.r.ReadString(':')
	if err != nil {
		m.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(size, ":"))
	if err != nil {
		m.t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(m.r, b); err != nil {
		m.t.Fatal(err)
	}
	return b
}

// do sends a command and gives its result.
func (m *marionette) do(name string, params any) json.RawMessage {
	m.t.Helper()
	m.n++
	b, err := json.Marshal([]any{0, m.n, name, params})
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(m.conn, "%d:%s", len(b), b); err != nil {
		m.t.Fatal(err)
	}
	var answer []json.RawMessage
	if err := json.Unmarshal(m.receive(), &answer); err != nil || len(answer) != 4 {
		m.t.Fatalf("answer of %d fields, %v", len(answer), err)
	}
	if string(answer[2]) != "null" {
		m.t.Fatalf("%s: %s", name, answer[2])
	}
	return answer[3]
}

// run runs a step of testdata/thunderbird and reads what it returns into out.
func (m *marionette) run(step string, out any, args ...any) {
	m.t.Helper()
	var script strings.Builder
	script.WriteString("const done = arguments[arguments.length - 1]; const args = Array.from(arguments).slice(0, -1);\n(async () => {\n")
	for _, name := range []string{"common", step} {
		b, err := os.ReadFile(filepath.Join("testdata", "thunderbird", name+".js"))
		if err != nil {
			m.t.Fatal(err)
		}
		script.Write(b)
	}
	script.WriteString("})().then((value) => done({ value }), (e) => done({ error: String(e) + ' ' + e.stack }));")
	if args == nil {
		args = []any{}
	}
	answer := m.do("WebDriver:ExecuteAsyncScript", map[string]any{"script": script.String(), "args": args, "newSandbox": false, "sandbox": "system"})
	var result struct {
		Value struct {
			Value json.RawMessage
			Error string
		}
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		m.t.Fatal(err)
	}
	if result.Value.Error != "" {
		m.screenshot(step + "-failed")
		m.t.Fatalf("%s: %s", step, result.Value.Error)
	}
	if err := json.Unmarshal(result.Value.Value, out); err != nil {
		m.t.Fatalf("%s returned %s: %v", step, result.Value.Value, err)
	}
}

// screenshot saves a picture of the window.
func (m *marionette) screenshot(name string) {
	m.t.Helper()
	var shot struct{ Value string }
	if err := json.Unmarshal(m.do("WebDriver:TakeScreenshot", map[string]any{"full": false, "hash": false}), &shot); err != nil {
		m.t.Fatal(err)
	}
	png, err := base64.StdEncoding.DecodeString(shot.Value)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.shots, name+".png"), png, 0o600); err != nil {
		m.t.Fatal(err)
	}
}
