// Package config owns config.toml: its keys, their defaults and limits, and
// what is said about a file that is wrong.
//
// Decoding is strict and complete: a key that does not exist is a problem, and
// all problems are told at once, each with file, line and key. Nothing here
// opens, listens or connects; cmd/mailstead alone imports it and does.
//
// A Config is not changed after Decode and may be shared.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Config is config.toml. Each field's key is in its tag; a relative path means
// relative to the directory of the file.
type Config struct {
	Hostname           string     `toml:"hostname"`             // what the server calls itself
	DataDir            string     `toml:"data_dir"`             // everything it keeps
	AllowInsecureLogin bool       `toml:"allow_insecure_login"` // login without TLS from loopback
	ShutdownGrace      Duration   `toml:"shutdown_grace"`       // for clients to finish
	Log                Log        `toml:"log"`
	TLS                TLS        `toml:"tls"`
	SMTP               SMTP       `toml:"smtp"`
	Submission         Submission `toml:"submission"`
	IMAP               IMAP       `toml:"imap"`
	POP3               POP3       `toml:"pop3"`
	Accounts           Accounts   `toml:"accounts"`
	Storage            Storage    `toml:"storage"`
}

// Log is [log].
type Log struct {
	Level  string `toml:"level"`  // debug, info, warn, error
	Format string `toml:"format"` // text, json
}

// TLS is [tls].
type TLS struct {
	CertFile string `toml:"cert_file"` // PEM, with the chain
	KeyFile  string `toml:"key_file"`  // PEM
}

// Connections bounds the connections of one protocol, over all its ports.
type Connections struct {
	Total      int `toml:"max_connections"`
	PerAddress int `toml:"max_connections_per_address"`
}

// Messages bounds what SMTP takes.
type Messages struct {
	MaxSize       Size `toml:"max_message_size"`
	MaxRecipients int  `toml:"max_recipients"`
}

// SMTP is [smtp]: mail from other servers.
type SMTP struct {
	Listen []string `toml:"listen"`
	Messages
	Connections
	CommandTimeout Duration `toml:"command_timeout"`
	DataTimeout    Duration `toml:"data_timeout"`
	GreetDelay     Duration `toml:"greet_delay"`
}

// Submission is [submission]: mail from the server's own users.
type Submission struct {
	Listen    []string `toml:"listen"`     // STARTTLS
	ListenTLS []string `toml:"listen_tls"` // TLS from the first byte
	Messages
	Connections
	CommandTimeout Duration `toml:"command_timeout"`
	DataTimeout    Duration `toml:"data_timeout"`
}

// IMAP is [imap].
type IMAP struct {
	Listen    []string `toml:"listen"`
	ListenTLS []string `toml:"listen_tls"`
	Connections
	MaxMessageSize Size     `toml:"max_message_size"` // of APPEND
	MessageLimit   int      `toml:"message_limit"`    // of one command
	IdleTimeout    Duration `toml:"idle_timeout"`
}

// POP3 is [pop3].
type POP3 struct {
	Listen    []string `toml:"listen"`
	ListenTLS []string `toml:"listen_tls"`
	Connections
	IdleTimeout Duration `toml:"idle_timeout"`
}

// Accounts is [accounts].
type Accounts struct {
	DefaultQuota    Size   `toml:"default_quota"`    // of new accounts, 0: none
	DetailSeparator string `toml:"detail_separator"` // of user+detail, "none": off
	HashParallel    int    `toml:"hash_parallel"`    // passwords hashed at once, 0: one per CPU
}

// Storage is [storage].
type Storage struct {
	MinFree      Size     `toml:"min_free"`      // disk space that is left alone
	SegmentSize  Size     `toml:"segment_size"`  // of a file in mail/
	KeepExpunged Duration `toml:"keep_expunged"` // for undelete, 0: not at all
	Compression  string   `toml:"compression"`   // of messages stored from now on: none, zstd
	SearchIndex  bool     `toml:"search_index"`  // of what messages say
}

// SocketName is the control socket's name in DataDir.
const SocketName = "admin.sock"

// Socket is the path of the control socket.
func (c *Config) Socket() string { return filepath.Join(c.DataDir, SocketName) }

// Default is a Config with every default. Hostname, DataDir and TLS have none.
func Default() Config {
	return Config{
		ShutdownGrace: Duration(10 * time.Second),
		Log:           Log{Level: "info", Format: "text"},
		SMTP: SMTP{Listen: []string{":25"}, Messages: Messages{50 << 20, 100}, Connections: Connections{1000, 50},
			CommandTimeout: Duration(5 * time.Minute), DataTimeout: Duration(3 * time.Minute), GreetDelay: Duration(time.Second)},
		Submission: Submission{Listen: []string{":587"}, ListenTLS: []string{":465"}, Messages: Messages{50 << 20, 100}, Connections: Connections{1000, 50},
			CommandTimeout: Duration(5 * time.Minute), DataTimeout: Duration(3 * time.Minute)},
		IMAP: IMAP{Listen: []string{":143"}, ListenTLS: []string{":993"}, Connections: Connections{4000, 100}, MaxMessageSize: 50 << 20,
			MessageLimit: 1_000_000, IdleTimeout: Duration(30 * time.Minute)},
		POP3: POP3{Listen: []string{":110"}, ListenTLS: []string{":995"}, Connections: Connections{1000, 50},
			IdleTimeout: Duration(10 * time.Minute)},
		Accounts: Accounts{DetailSeparator: "+"},
		Storage:  Storage{MinFree: 64 << 20, SegmentSize: 128 << 20, KeepExpunged: Duration(14 * day), Compression: "none", SearchIndex: true},
	}
}

// Load reads a file. A file that is wrong gives Problems.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return Decode(path, string(text))
}
