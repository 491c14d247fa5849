package config

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write config.toml.example")

const examplePath = "../../../../config.toml.example"

var exampleValues = Values{Hostname: "mail.example.org", DataDir: "/var/lib/mailstead", CertFile: "/etc/mailstead/cert.pem", KeyFile: "/etc/mailstead/key.pem"}

func TestExampleDocumentsEveryKeyWithItsDefault(t *testing.T) {
	t.Parallel()
	if *update {
		if err := os.WriteFile(examplePath, []byte(Example(exampleValues)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Example(exampleValues), string(text)); diff != "" {
		t.Errorf("config.toml.example is not what quickstart writes; go test -update (-want +got):\n%s", diff)
	}
	got, err := Decode("config.toml.example", string(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Hostname, want.DataDir = exampleValues.Hostname, exampleValues.DataDir
	want.TLS = TLS{exampleValues.CertFile, exampleValues.KeyFile}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	lines := keyLines(string(text))
	for _, key := range allKeys("", reflect.ValueOf(&want).Elem()) {
		if lines[key] == 0 {
			t.Errorf("key %s is not in the example", key)
		}
	}
}

// allKeys lists the dotted keys of a struct.
func allKeys(prefix string, v reflect.Value) (keys []string) {
	for name, f := range fieldsOf(v) {
		if f.Kind() == reflect.Struct {
			keys = append(keys, allKeys(prefix+name+".", f)...)
		} else {
			keys = append(keys, prefix+name)
		}
	}
	return keys
}

const needed = "hostname = \"mx.example.org\"\ndata_dir = \"data\"\ntls.cert_file = \"c.pem\"\ntls.key_file = \"/k.pem\"\n"

func TestDecode(t *testing.T) {
	t.Parallel()
	c, err := Decode("/etc/x/config.toml", needed+"[smtp]\nmax_message_size = 100000\nlisten = []\ncommand_timeout = \"90s\"\n[log]\nformat=\"json\"\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Hostname, want.DataDir, want.TLS = "mx.example.org", "/etc/x/data", TLS{"/etc/x/c.pem", "/k.pem"}
	want.SMTP.MaxSize, want.SMTP.Listen, want.SMTP.CommandTimeout, want.Log.Format = 100000, []string{}, Duration(90*time.Second), "json"
	if diff := cmp.Diff(&want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := c.Socket(); got != "/etc/x/data/admin.sock" {
		t.Errorf("socket: got %q", got)
	}
}

func TestDecodeTellsEveryProblemWithItsLine(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"nothing set", "", `c: hostname: must be set: the name this machine has in the DNS, like "mail.example.org"
c: data_dir: must be set: the directory for mail and accounts
c: tls.cert_file: must be set: a PEM file with the certificate and its chain
c: tls.key_file: must be set: the PEM file with the certificate's key`},
		{"syntax", needed + "[smtp\n", "c:6: expected '.' or ']' to end table name, but got '\\n' instead"},
		{"many at once", needed + `colour = "red"
shutdown_grace = "soon"
[smtp]
# max_recipients = 5
max_recipients = 99
max_message_size = "5 apples"
Listen = ["x"]
listen = [":25", "mail", "example.org:25", ":70000", 7]
[imap]
listen = [":143", ":993"]
max_connections = "many"
idle_timeout = "29m59s"
[nosuch.table]
x = 1
[log]
level = "loud"
format = true
`, `c:5: colour: no such key
c:6: shutdown_grace: must be a length of time like "30s", "5m" or "14d" (got "soon")
c:9: smtp.max_recipients: must be 100 to 10000 (got 99)
c:10: smtp.max_message_size: must be a size like "50MiB", "2GiB" or "0" (got "5 apples")
c:11: smtp.Listen: no such key; did you mean "listen"?
c:12: smtp.listen: must be a list of texts in quotes (got 7 in it)
c:13: imap.listen_tls: ":993" is in imap.listen already
c:15: imap.max_connections: must be a whole number (got many)
c:16: imap.idle_timeout: must be 30m to 24h (got 29m59s)
c:17: nosuch: no such key
c:20: log.level: must be one of debug, info, warn, error (got "loud")
c:21: log.format: must be a text in quotes (got true)`},
		{"addresses", needed + "[smtp]\nlisten = [\"mail\", \"example.org:25\", \":70000\"]\n", `c:6: smtp.listen: must hold addresses like ":25", "192.0.2.1:25" or "[2001:db8::1]:25" (got "mail")
c:6: smtp.listen: host must be an IP address of this machine, or empty for all (got "example.org:25")
c:6: smtp.listen: port must be 0 to 65535 (got ":70000")`},
		{"table", needed + "log = 3\n[accounts]\ndetail_separator = \"++\"\n", "c:5: log: is a table, write [log]\nc:7: accounts.detail_separator: must be one of + - . _ = #, or \"none\" (got \"++\")"},
		{"host", strings.Replace(needed, "mx.example.org", "192.0.2.1", 1), `c:1: hostname: must be a DNS name like "mail.example.org", in ASCII (got "192.0.2.1")`},
		{"limit", needed + "[imap]\nmessage_limit = 999\n", "c:6: imap.message_limit: must be 1000 to 4294967295 (got 999)"},
		{"storage", needed + "[storage]\nkeep_expunged = \"3651d\"\ncompression = \"gzip\"\n", "c:6: storage.keep_expunged: must be 0s to 3650d (got 3651d)\n" +
			`c:7: storage.compression: must be one of none, zstd (got "gzip")`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Decode("c", tt.text)
			if err == nil {
				t.Fatal("got no error")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]Size{"0": 0, "17": 17, "1KiB": 1024, "50 MiB": 50 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40, "3MB": 3e6, "1kB": 1000, "8B": 8} {
		got, err := ParseSize(s)
		if err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", s, got, err, want)
		}
		if back, err := ParseSize(got.String()); err != nil || back != got {
			t.Errorf("%q written as %q: got %d, %v", s, got, back, err)
		}
	}
	for _, s := range []string{"", "MiB", "-1", "1.5MiB", "9223372036854775807KiB", "1XB"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("%q: got %d, want an error", s, got)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{"0": 0, "30s": 30 * time.Second, "1h30m": 90 * time.Minute, "14d": 14 * day, "1d": day, "1d12h": 36 * time.Hour, "0d": 0} {
		got, err := ParseDuration(s)
		if err != nil || time.Duration(got) != want {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
		if back, err := ParseDuration(got.String()); err != nil || back != got {
			t.Errorf("%q written as %q: got %v, %v", s, got, back, err)
		}
	}
	for _, s := range []string{"", "d", "-1d", "1.5d", "1d-2h", "1d 2h", "99999999d", "60000d2000000h", "1w", "soon"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q: got %v, want an error", s, got)
		}
	}
}

func TestLoadNamesAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := Load(filepath.Join(t.TempDir(), "no.toml")); err == nil || !strings.Contains(err.Error(), "no.toml") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(needed)
	f.Add(Example(exampleValues))
	f.Add("[smtp]\nlisten = [1, \"x\"]\n[[log]]\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Decode("c", text); err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
	})
}
