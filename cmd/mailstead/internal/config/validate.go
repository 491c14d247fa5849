package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// Bounds of values.
const (
	minMessageSize = 64 << 10 // RFC 5321 §4.5.3.1.7 asks for 64K
	maxMessageSize = 1 << 30
	minSegmentSize = 1 << 20
	maxSegmentSize = 2 << 30
	maxRecipients  = 10000
	minRecipients  = 100 // RFC 5321 §4.5.3.1.8

	minMessageLimit = 1000 // RFC 9738 §3
	maxMessageLimit = 1<<32 - 1

	maxConnections = 1000000

	maxKeepExpunged = 3650 * day
)

// validate reports every value that cannot work.
func (d *decoder) validate(c *Config) {
	d.hostname(c.Hostname)
	d.required("data_dir", c.DataDir, "the directory for mail and accounts")
	d.required("tls.cert_file", c.TLS.CertFile, "a PEM file with the certificate and its chain")
	d.required("tls.key_file", c.TLS.KeyFile, "the PEM file with the certificate's key")
	d.duration("shutdown_grace", c.ShutdownGrace, 0, time.Hour)
	d.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	d.oneOf("log.format", c.Log.Format, "text", "json")
	seen := map[string]string{}
	d.listen("smtp.listen", c.SMTP.Listen, seen)
	d.listen("submission.listen", c.Submission.Listen, seen)
	d.listen("submission.listen_tls", c.Submission.ListenTLS, seen)
	d.listen("imap.listen", c.IMAP.Listen, seen)
	d.listen("imap.listen_tls", c.IMAP.ListenTLS, seen)
	d.listen("pop3.listen", c.POP3.Listen, seen)
	d.listen("pop3.listen_tls", c.POP3.ListenTLS, seen)
	d.messages("smtp", c.SMTP.Messages)
	d.messages("submission", c.Submission.Messages)
	d.size("imap.max_message_size", c.IMAP.MaxMessageSize, minMessageSize, maxMessageSize)
	d.number("imap.message_limit", c.IMAP.MessageLimit, minMessageLimit, maxMessageLimit)
	d.connections("smtp", c.SMTP.Connections)
	d.connections("submission", c.Submission.Connections)
	d.connections("imap", c.IMAP.Connections)
	d.connections("pop3", c.POP3.Connections)
	d.duration("smtp.command_timeout", c.SMTP.CommandTimeout, time.Second, time.Hour)
	d.duration("smtp.data_timeout", c.SMTP.DataTimeout, time.Second, time.Hour)
	d.duration("smtp.greet_delay", c.SMTP.GreetDelay, 0, 30*time.Second)
	d.duration("submission.command_timeout", c.Submission.CommandTimeout, time.Second, time.Hour)
	d.duration("submission.data_timeout", c.Submission.DataTimeout, time.Second, time.Hour)
	d.duration("imap.idle_timeout", c.IMAP.IdleTimeout, 30*time.Minute, 24*time.Hour) // RFC 9051 §5.4
	d.duration("pop3.idle_timeout", c.POP3.IdleTimeout, 10*time.Minute, 24*time.Hour) // RFC 1939 §3
	d.separator(c.Accounts.DetailSeparator)
	d.number("accounts.hash_parallel", c.Accounts.HashParallel, 0, 1024)
	d.size("storage.segment_size", c.Storage.SegmentSize, minSegmentSize, maxSegmentSize)
	d.duration("storage.keep_expunged", c.Storage.KeepExpunged, 0, maxKeepExpunged)
	d.oneOf("storage.compression", c.Storage.Compression, "none", "zstd")
}

// has tells whether a key already has a problem: one is enough.
func (d *decoder) has(key string) bool {
	return slices.ContainsFunc(d.found, func(p Problem) bool { return p.Key == key })
}

func (d *decoder) hostname(name string) {
	if name == "" {
		d.required("hostname", name, `the name this machine has in the DNS, like "mail.example.org"`)
		return
	}
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil || ascii != strings.ToLower(name) || net.ParseIP(name) != nil {
		d.problem("hostname", "must be a DNS name like %q, in ASCII (got %q)", "mail.example.org", name)
	}
}

func (d *decoder) required(key, value, what string) {
	if value == "" && !d.has(key) {
		d.problem(key, "must be set: %s", what)
	}
}

func (d *decoder) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) && !d.has(key) {
		d.problem(key, "must be one of %s (got %q)", strings.Join(allowed, ", "), value)
	}
}

// listen wants addresses like ":25", "127.0.0.1:25" or "[::1]:25"; none twice.
func (d *decoder) listen(key string, list []string, seen map[string]string) {
	for _, a := range list {
		host, port, err := net.SplitHostPort(a)
		if err != nil {
			d.problem(key, `must hold addresses like ":25", "192.0.2.1:25" or "[2001:db8::1]:25" (got %q)`, a)
			continue
		}
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
			d.problem(key, "port must be 0 to 65535 (got %q)", a)
		}
		if host != "" && host != "localhost" && net.ParseIP(strings.SplitN(host, "%", 2)[0]) == nil {
			d.problem(key, "host must be an IP address of this machine, or empty for all (got %q)", a)
		}
		if by, twice := seen[a]; twice && port != "0" {
			d.problem(key, "%q is in %s already", a, by)
		}
		seen[a] = key
	}
}

func (d *decoder) messages(table string, m Messages) {
	d.size(table+".max_message_size", m.MaxSize, minMessageSize, maxMessageSize)
	d.number(table+".max_recipients", m.MaxRecipients, minRecipients, maxRecipients)
}

func (d *decoder) connections(table string, c Connections) {
	d.number(table+".max_connections", c.Total, 1, maxConnections)
	d.number(table+".max_connections_per_address", c.PerAddress, 1, maxConnections)
}

func (d *decoder) number(key string, n, least, most int) {
	if (n < least || n > most) && !d.has(key) {
		d.problem(key, "must be %d to %d (got %d)", least, most, n)
	}
}

func (d *decoder) size(key string, n, least, most Size) {
	if (n < least || n > most) && !d.has(key) {
		d.problem(key, "must be %s to %s (got %s)", least, most, n)
	}
}

func (d *decoder) duration(key string, n Duration, least, most time.Duration) {
	if (time.Duration(n) < least || time.Duration(n) > most) && !d.has(key) {
		d.problem(key, "must be %s to %s (got %s)", Duration(least), Duration(most), n)
	}
}

func (d *decoder) separator(s string) {
	const key = "accounts.detail_separator"
	if s != "none" && (len(s) != 1 || !strings.Contains("+-._=#", s)) && !d.has(key) {
		d.problem(key, `must be one of + - . _ = #, or "none" (got %q)`, s)
	}
}
