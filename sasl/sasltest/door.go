package sasltest

import (
	"crypto/tls"
	"encoding/base64"
	"testing"

	"github.com/xdg-go/scram"
)

// How a step of an exchange ended.
const (
	Goes      = "goes on" // the server has given a challenge
	In        = "in"
	Refused   = "refused"
	Malformed = "malformed" // or cancelled
	Throttled = "throttled"
	NotKnown  = "not known" // the mechanism
)

// Door is a connection to a server, over TLS, on which nobody has logged in.
type Door struct {
	TLS tls.ConnectionState
	// Begin says the command with a mechanism, and an initial response, encoded,
	// unless it is empty. It gives the challenge, decoded, and how it went.
	Begin func(mechanism, initial string) (challenge, how string)
	// Answer sends a line.
	Answer func(line string) (challenge, how string)
}

func encode(s string) string {
	if s == "" {
		return "="
	}
	return base64.StdEncoding.EncodeToString([]byte(s))
}

// expect compares how a step went.
func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %s, want %s", what, got, want)
	}
}

// TestDoor runs every mechanism through a door whose server has Credentials with
// CRAMMD5, user and password, and refuses the user throttled with ErrThrottled.
// dial opens a new connection.
func TestDoor(t *testing.T, dial func(t *testing.T) Door, user, password, throttled string) {
	t.Helper()
	for _, mechanism := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			testScram(t, dial, mechanism, user, password, throttled)
		})
	}
	t.Run("CRAM-MD5", func(t *testing.T) {
		t.Parallel()
		testCRAM(t, dial, user, password, throttled)
	})
	t.Run("LOGIN", func(t *testing.T) {
		t.Parallel()
		for _, tt := range []struct{ user, password, want string }{{user, password, In}, {user, "x", Refused}, {"nobody", password, Refused}, {throttled, password, Throttled}} {
			d := dial(t)
			prompt, how := d.Begin("LOGIN", "")
			expect(t, prompt, how, Goes)
			_, how = d.Answer(encode(tt.user))
			expect(t, "user", how, Goes)
			_, how = d.Answer(encode(tt.password))
			expect(t, "password of "+tt.user, how, tt.want)
		}
	})
	t.Run("PLAIN", func(t *testing.T) {
		t.Parallel()
		for response, want := range map[string]string{
			"\x00" + user + "\x00" + password: In, "\x00" + user + "\x00x": Refused, "bob\x00" + user + "\x00" + password: Refused,
			"\x00" + throttled + "\x00x": Throttled, "x": Malformed, "": Malformed,
		} {
			d := dial(t)
			_, how := d.Begin("PLAIN", encode(response))
			expect(t, response+" at once", how, want)
			d = dial(t)
			_, how = d.Begin("PLAIN", "")
			expect(t, "start", how, Goes)
			if response != "" {
				_, how = d.Answer(encode(response))
				expect(t, response, how, want)
			}
		}
	})
	t.Run("not offered", func(t *testing.T) {
		t.Parallel()
		_, how := dial(t).Begin("EXTERNAL", "=")
		expect(t, "EXTERNAL without a certificate", how, NotKnown)
	})
}

func testCRAM(t *testing.T, dial func(t *testing.T) Door, user, password, throttled string) {
	for _, tt := range []struct {
		name   string
		answer func(challenge string) string
		want   string
	}{
		{"right", func(c string) string { return encode(CRAM(user, password, c)) }, In},
		{"wrong", func(c string) string { return encode(CRAM(user, "x", c)) }, Refused},
		{"unknown", func(c string) string { return encode(CRAM("nobody", password, c)) }, Refused},
		{"replayed", func(string) string { return encode(CRAM(user, password, "<1@mx.test>")) }, Refused},
		{"throttled", func(c string) string { return encode(CRAM(throttled, password, c)) }, Throttled},
		{"malformed", func(string) string { return encode("x") }, Malformed},
		{"not base64", func(string) string { return "!" }, Malformed},
		{"cancelled", func(string) string { return "*" }, Malformed},
	} {
		d := dial(t)
		challenge, how := d.Begin("CRAM-MD5", "")
		expect(t, tt.name, how, Goes)
		_, how = d.Answer(tt.answer(challenge))
		expect(t, tt.name, how, tt.want)
	}
	_, how := dial(t).Begin("CRAM-MD5", encode(user))
	expect(t, "with an initial response", how, Malformed)
}

// testScram goes through one mechanism of SCRAM.
func testScram(t *testing.T, dial func(t *testing.T) Door, mechanism, user, password, throttled string) {
	plus := mechanism[len(mechanism)-5:] == "-PLUS"
	bind := func(d Door) (b scram.ChannelBinding) {
		if !plus {
			return b
		}
		b, err := scram.NewTLSExporterBinding(&d.TLS)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var proof string // of a conversation that went well
	for _, tt := range []struct {
		name, user, password string
		bind                 func(d Door) scram.ChannelBinding
		spoil                func(string) string // the proof
		want                 string
	}{
		{"right", user, password, bind, nil, In},
		{"wrong password", user, "x", bind, nil, Refused},
		{"unknown", "nobody", password, bind, nil, Refused},
		{"replayed", user, password, bind, func(string) string { return proof }, Refused},
		{"malformed", user, password, bind, func(string) string { return encode("x") }, Malformed},
		{"not base64", user, password, bind, func(string) string { return "!" }, Malformed},
		{"cancelled", user, password, bind, func(string) string { return "*" }, Malformed},
		{"other channel", user, password, func(Door) (b scram.ChannelBinding) {
			if plus {
				b = scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: []byte("another's")}
			}
			return b
		}, func(s string) string {
			if !plus {
				return encode("c=eSws,r=x,p=AAAA") // another gs2 header
			}
			return s
		}, Refused},
	} {
		d := dial(t)
		c := Scram(t, mechanism, tt.user, tt.password, tt.bind(d))
		message, err := c.Step("")
		if err != nil {
			t.Fatal(err)
		}
		challenge, how := d.Begin(mechanism, encode(message))
		expect(t, tt.name, how, Goes)
		answer, err := c.Step(challenge)
		if err != nil {
			t.Fatal(err)
		}
		line := encode(answer)
		if tt.spoil != nil {
			line = tt.spoil(line)
		}
		challenge, how = d.Answer(line)
		if tt.want != In {
			expect(t, tt.name, how, tt.want)
			continue
		}
		expect(t, tt.name, how, Goes)
		if _, err := c.Step(challenge); err != nil || !c.Valid() {
			t.Fatalf("%s: the server's proof: %v", tt.name, err)
		}
		_, how = d.Answer("")
		expect(t, tt.name, how, In)
		proof = line
	}
	testScramStart(t, dial, mechanism, user, throttled)
}

// testScramStart goes through first messages that are refused.
func testScramStart(t *testing.T, dial func(t *testing.T) Door, mechanism, user, throttled string) {
	plus := mechanism[len(mechanism)-5:] == "-PLUS"
	downgrade := "y,,n=" + user + ",r=abc"
	if plus {
		downgrade = "n,,n=" + user + ",r=abc"
	}
	for message, want := range map[string]string{downgrade: Refused, "p=tls-unique,,n=" + user + ",r=abc": Refused, "x": Malformed} {
		_, how := dial(t).Begin(mechanism, encode(message))
		expect(t, message, how, want)
	}
	gs2 := "n,,"
	if plus {
		gs2 = "p=tls-exporter,,"
	}
	d := dial(t)
	_, how := d.Begin(mechanism, "")
	expect(t, "without an initial response", how, Goes)
	_, how = d.Answer(encode(gs2 + "n=" + throttled + ",r=abc"))
	expect(t, "throttled", how, Throttled)
}
