package sasl_test

import (
	"context"
	"errors"
	"testing"

	"github.com/xdg-go/scram"

	"mailstead/sasl"
	"mailstead/sasl/sasltest"
)

const (
	user     = "alice@example.test"
	password = "correct horse"
)

func users() sasltest.Credentials {
	return sasltest.Credentials{Users: map[string]uint32{user: 1}, Secret: password, CRAMMD5: true}
}

func start(t *testing.T, c sasl.Credentials, mechanism string) *sasl.Exchange {
	t.Helper()
	x, err := sasl.Server{Credentials: c, Hostname: "mx.test"}.Start(mechanism)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// say runs an exchange with fixed responses and gives its last step.
func say(t *testing.T, x *sasl.Exchange, responses ...string) (challenge string, id *sasl.Identity, err error) {
	t.Helper()
	for _, r := range responses {
		var b []byte
		if b, id, err = x.Next(t.Context(), []byte(r)); err != nil {
			return "", nil, err
		}
		challenge = string(b)
	}
	return challenge, id, nil
}

func TestPlainAndLogin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, mechanism string
		responses       []string
		want            error
	}{
		{"right", "PLAIN", []string{"\x00" + user + "\x00" + password}, nil},
		{"lower case", "plain", []string{"\x00" + user + "\x00" + password}, nil},
		{"for oneself", "PLAIN", []string{"Alice@example.test\x00" + user + "\x00" + password}, nil},
		{"for another", "PLAIN", []string{"bob\x00" + user + "\x00" + password}, sasl.ErrActsForAnother},
		{"wrong password", "PLAIN", []string{"\x00" + user + "\x00x"}, sasl.ErrBadCredentials},
		{"unknown", "PLAIN", []string{"\x00nobody\x00" + password}, sasl.ErrBadCredentials},
		{"no user", "PLAIN", []string{"\x00\x00" + password}, sasl.ErrMalformed},
		{"two fields", "PLAIN", []string{user + "\x00" + password}, sasl.ErrMalformed},
		{"empty", "PLAIN", []string{""}, sasl.ErrMalformed},
		{"not UTF-8", "PLAIN", []string{"\x00a\xff\x00b"}, sasl.ErrMalformed},
		{"login", "LOGIN", []string{user, password}, nil},
		{"login without user", "LOGIN", []string{""}, sasl.ErrMalformed},
		{"login wrong password", "LOGIN", []string{user, ""}, sasl.ErrBadCredentials},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, id, err := say(t, start(t, users(), tt.mechanism), tt.responses...)
			if !errors.Is(err, tt.want) || (err == nil) != (id != nil) {
				t.Fatalf("got %v, %v, want %v", id, err, tt.want)
			}
			if id != nil && id.Account != 1 {
				t.Errorf("got account %d, want 1", id.Account)
			}
		})
	}
}

func TestAResponseHasALimit(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]error{sasl.MaxResponse: sasl.ErrBadCredentials, sasl.MaxResponse + 1: sasl.ErrMalformed} {
		r := "\x00a\x00"
		for len(r) < n {
			r += "x"
		}
		if _, _, err := say(t, start(t, users(), "PLAIN"), r); !errors.Is(err, want) {
			t.Errorf("response of %d bytes: got %v, want %v", n, err, want)
		}
	}
}

func TestAnExchangeEndsOnce(t *testing.T) {
	t.Parallel()
	x := start(t, users(), "PLAIN")
	if _, id, err := say(t, x, "\x00"+user+"\x00"+password); err != nil || id == nil {
		t.Fatal(id, err)
	}
	if _, id, err := say(t, x, "\x00"+user+"\x00"+password); !errors.Is(err, sasl.ErrMalformed) || id != nil {
		t.Errorf("after the end: got %v, %v", id, err)
	}
}

func TestOnlyWhatIsOfferedBegins(t *testing.T) {
	t.Parallel()
	s := sasl.Server{Credentials: sasltest.Credentials{NoScram: true}}
	for _, m := range []string{"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "CRAM-MD5", "EXTERNAL", "GSSAPI", ""} {
		if _, err := s.Start(m); !errors.Is(err, sasl.ErrMechanism) {
			t.Errorf("%s: got %v, want %v", m, err, sasl.ErrMechanism)
		}
	}
}

// converse runs a client of SCRAM and gives how it ended; the server's proof is
// checked by the client.
func converse(t *testing.T, x *sasl.Exchange, c *scram.ClientConversation) (*sasl.Identity, error) {
	t.Helper()
	message, err := c.Step("")
	for range 2 {
		if err != nil {
			t.Fatal(err)
		}
		challenge, id, err := x.Next(t.Context(), []byte(message))
		if err != nil || id != nil {
			return id, err
		}
		if message, err = c.Step(string(challenge)); err != nil {
			t.Fatal(err)
		}
	}
	if !c.Valid() {
		t.Error("the client does not accept the server's proof")
	}
	_, id, err := x.Next(t.Context(), []byte{})
	return id, err
}

func TestScram(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-1"} {
		for _, tt := range []struct {
			name, user, password string
			want                 error
		}{
			{"right", user, password, nil},
			{"wrong password", user, "x", sasl.ErrBadCredentials},
			{"unknown", "a,b=c@example.test", password, sasl.ErrBadCredentials},
		} {
			t.Run(mechanism+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				x := start(t, users(), mechanism)
				id, err := converse(t, x, sasltest.Scram(t, mechanism, tt.user, tt.password, scram.ChannelBinding{}))
				if !errors.Is(err, tt.want) || (err == nil) != (id != nil) || x.User() != tt.user {
					t.Errorf("got %v, %v for %q, want %v for %q", id, err, x.User(), tt.want, tt.user)
				}
			})
		}
	}
}

// TestScramOfTheRFC checks the keys of RFC 7677 §3 and RFC 5802 §5 against the
// messages printed there.
func TestScramOfTheRFC(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind                                 sasl.Secrets
		salt, clientFirst, serverFirst, last string
	}{
		{sasl.ScramSHA256, "W22ZaJ0SNY7soEsUEjb6gQ==", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
		{sasl.ScramSHA1, "QSXCR+Q6sek8bf92", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
	} {
		keys, err := sasl.MakeKeys(tt.kind, "pencil", unbase64(t, tt.salt), sasl.MinIterations)
		if err != nil {
			t.Fatal(err)
		}
		if got := serverProof(tt.kind, keys, tt.clientFirst[3:], tt.serverFirst); got != tt.last {
			t.Errorf("%d: got %q, want %q", tt.kind, got, tt.last)
		}
	}
}

func TestScramMalformed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, mechanism, message string
		want                     error
	}{
		{"empty", "SCRAM-SHA-256", "", sasl.ErrMalformed},
		{"no gs2 flag", "SCRAM-SHA-256", "x,,n=a,r=b", sasl.ErrMalformed},
		{"extension", "SCRAM-SHA-256", "n,,m=x,n=a,r=b", sasl.ErrMalformed},
		{"no nonce", "SCRAM-SHA-256", "n,,n=a", sasl.ErrMalformed},
		{"no user", "SCRAM-SHA-256", "n,,n=,r=b", sasl.ErrMalformed},
		{"bad escape", "SCRAM-SHA-256", "n,,n=a=b,r=c", sasl.ErrMalformed},
		{"not UTF-8", "SCRAM-SHA-256", "n,,n=a\xff,r=c", sasl.ErrMalformed},
		{"for another", "SCRAM-SHA-256", "n,a=bob,n=" + user + ",r=c", sasl.ErrActsForAnother},
		{"binds without PLUS", "SCRAM-SHA-256", "p=tls-exporter,,n=a,r=b", sasl.ErrBinding},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := say(t, start(t, users(), tt.mechanism), tt.message); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestScramFinalMalformed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, message string
		want          error
		finished      bool
	}{
		{"empty", "", sasl.ErrMalformed, false},
		{"no proof", "c=biws,r=b", sasl.ErrMalformed, false},
		{"not base64", "c=biws,r=b,p=!", sasl.ErrMalformed, false},
		{"other nonce", "c=biws,r=b,p=AAAA", sasl.ErrBadCredentials, true},
		{"other gs2 header", "c=eSws,r=b,p=AAAA", sasl.ErrBinding, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, finished := users(), false
			c.Finished = func(_ string, proved bool) { finished = !proved }
			if _, _, err := say(t, start(t, c, "SCRAM-SHA-256"), "n,,n="+user+",r=b", tt.message); !errors.Is(err, tt.want) || finished != tt.finished {
				t.Errorf("got %v, counted %v, want %v, %v", err, finished, tt.want, tt.finished)
			}
		})
	}
}

func TestScramReplayedProof(t *testing.T) {
	t.Parallel()
	c := sasltest.Scram(t, "SCRAM-SHA-256", user, password, scram.ChannelBinding{})
	first, _ := c.Step("")
	x := start(t, users(), "SCRAM-SHA-256")
	challenge, _, err := say(t, x, first)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := c.Step(challenge)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := say(t, start(t, users(), "SCRAM-SHA-256"), first, proof); !errors.Is(err, sasl.ErrBadCredentials) {
		t.Errorf("in another exchange: got %v, want %v", err, sasl.ErrBadCredentials)
	}
	if _, _, err := say(t, x, proof); err != nil {
		t.Fatal(err)
	}
	if _, id, err := say(t, x, proof); !errors.Is(err, sasl.ErrMalformed) || id != nil {
		t.Errorf("in place of the empty answer: got %v, %v", id, err)
	}
}

func TestScramThrottled(t *testing.T) {
	t.Parallel()
	c := users()
	c.Refuse = func(string) error { return sasl.ErrThrottled }
	for _, m := range []string{"SCRAM-SHA-256", "SCRAM-SHA-1"} {
		if _, _, err := say(t, start(t, c, m), "n,,n="+user+",r=b"); !errors.Is(err, sasl.ErrThrottled) {
			t.Errorf("got %v, want %v", err, sasl.ErrThrottled)
		}
	}
}

// TestCRAMMD5OfTheRFC is the example of RFC 2195 §2.
func TestCRAMMD5OfTheRFC(t *testing.T) {
	t.Parallel()
	const challenge = "<1896.697170952@postoffice.reston.mci.net>"
	s := sasl.MakeCRAMSecret([]byte("tanstaaftanstaaf"))
	again, err := sasl.UnpackCRAMSecret(s.Pack())
	if err != nil {
		t.Fatal(err)
	}
	want := "tim b913a602c7eda7a495b4e6e7334d3890"
	for _, one := range []sasl.CRAMSecret{s, again} {
		if got := sasl.CRAMDigest(one, challenge); "tim "+got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := sasltest.CRAM("tim", "tanstaaftanstaaf", challenge); got != want {
		t.Errorf("client: got %q, want %q", got, want)
	}
	for _, b := range []string{"x", "xx", string(s.Pack()[1:])} {
		if _, err := sasl.UnpackCRAMSecret([]byte(b)); err == nil {
			t.Errorf("secret %q was taken", b)
		}
	}
}

func TestCRAMMD5(t *testing.T) {
	t.Parallel()
	long := users()
	long.Secret = string(make([]byte, 100)) + "x" // longer than MD5's block
	for _, tt := range []struct {
		name   string
		c      sasltest.Credentials
		answer func(challenge string) string
		want   error
	}{
		{"right", users(), func(c string) string { return sasltest.CRAM(user, password, c) }, nil},
		{"long password", long, func(c string) string { return sasltest.CRAM(user, long.Secret, c) }, nil},
		{"wrong password", users(), func(c string) string { return sasltest.CRAM(user, "x", c) }, sasl.ErrBadCredentials},
		{"unknown", users(), func(c string) string { return sasltest.CRAM("nobody", password, c) }, sasl.ErrBadCredentials},
		{"replayed", users(), func(string) string { return sasltest.CRAM(user, password, "<another>") }, sasl.ErrBadCredentials},
		{"no space", users(), func(string) string { return user }, sasl.ErrMalformed},
		{"no user", users(), func(c string) string { return sasltest.CRAM("", password, c) }, sasl.ErrMalformed},
		{"not hexadecimal", users(), func(string) string { return user + " zz3a602c7eda7a495b4e6e7334d38900" }, sasl.ErrMalformed},
		{"too short", users(), func(string) string { return user + " 00" }, sasl.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := start(t, tt.c, "CRAM-MD5")
			challenge, _, err := x.Next(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, id, err := x.Next(t.Context(), []byte(tt.answer(string(challenge))))
			if !errors.Is(err, tt.want) || (err == nil) != (id != nil) {
				t.Errorf("got %v, %v, want %v", id, err, tt.want)
			}
		})
	}
	if _, _, err := say(t, start(t, users(), "CRAM-MD5"), "x"); !errors.Is(err, sasl.ErrMalformed) {
		t.Errorf("initial response: got %v, want %v", err, sasl.ErrMalformed)
	}
}

func FuzzExchange(f *testing.F) {
	for _, m := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"} {
		f.Add(m, []byte("n,,n="+user+",r=b"), []byte("c=biws,r=b,p=AAAA"), []byte{})
		f.Add(m, []byte("\x00"+user+"\x00x"), []byte(user+" b913a602c7eda7a495b4e6e7334d3890"), []byte("x"))
	}
	c := users()
	c.Secret = "a secret that no input has"
	f.Fuzz(func(t *testing.T, mechanism string, a, b, d []byte) {
		x, err := sasl.Server{Credentials: c, Hostname: "mx.test"}.Start(mechanism)
		if err != nil {
			return
		}
		for _, r := range [][]byte{a, b, d} {
			if string(r) == "none" {
				r = nil
			}
			challenge, id, err := x.Next(context.Background(), r)
			if id != nil {
				t.Fatalf("%s let %q, %q, %q in", mechanism, a, b, d)
			}
			if err != nil {
				return
			}
			if challenge == nil {
				t.Fatal("neither challenge nor end")
			}
		}
	})
}
