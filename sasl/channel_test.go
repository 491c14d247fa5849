package sasl_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"hash"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"mailstead/sasl"
	"mailstead/sasl/sasltest"
)

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serverProof is the last message of RFC 5802 §3.
func serverProof(kind sasl.Secrets, k sasl.Keys, firstBare, serverFirst string) string {
	h := func() hash.Hash { return sha256.New() }
	if kind == sasl.ScramSHA1 {
		h = func() hash.Hash { return sha1.New() }
	}
	nonce, _, _ := strings.Cut(serverFirst, ",")
	m := hmac.New(h, k.ServerKey)
	m.Write([]byte(firstBare + "," + serverFirst + ",c=biws," + nonce))
	return "v=" + base64.StdEncoding.EncodeToString(m.Sum(nil))
}

// selfSigned makes a certificate.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// handshake gives the server's channel and what the client knows of it.
func handshake(t *testing.T, server, client *tls.Config) (sasl.Channel, tls.ConnectionState) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	b, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	shook := sasl.Handshake(server)
	s, c := tls.Server(a, server), tls.Client(b, client)
	done := make(chan error, 1)
	go func() {
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte("x"))
		}
		done <- err
	}()
	buf := make([]byte, 1)
	if _, err := c.Read(buf); err != nil { // the session ticket comes before
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return shook(s.ConnectionState()), c.ConnectionState()
}

func TestScramPlus(t *testing.T) {
	t.Parallel()
	server := &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		channel, state := handshake(t, server, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		s := sasl.Server{Credentials: users(), Channel: channel}
		exporter, err := scram.NewTLSExporterBinding(&state)
		if err != nil {
			t.Fatal(err)
		}
		endPoint, err := scram.NewTLSServerEndpointBinding(&state)
		if err != nil {
			t.Fatal(err)
		}
		other := scram.ChannelBinding{Type: exporter.Type, Data: []byte("another channel's")}
		for _, mechanism := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"} {
			for _, tt := range []struct {
				name     string
				binding  scram.ChannelBinding
				password string
				want     error
			}{
				{"tls-exporter", exporter, password, nil},
				{"tls-server-end-point", endPoint, password, nil},
				{"wrong password", exporter, "x", sasl.ErrBadCredentials},
				{"wrong binding", other, password, sasl.ErrBinding},
				{"tls-unique", scram.NewTLSUniqueBinding([]byte("x")), password, sasl.ErrBinding},
			} {
				x, err := s.Start(mechanism)
				if err != nil {
					t.Fatal(err)
				}
				id, err := converse(t, x, sasltest.Scram(t, mechanism, user, tt.password, tt.binding))
				if !errors.Is(err, tt.want) || (err == nil) != (id != nil) {
					t.Errorf("%s with TLS %x, %s: got %v, %v, want %v", mechanism, version, tt.name, id, err, tt.want)
				}
			}
		}
		for mechanism, message := range map[string]string{"SCRAM-SHA-256": "y,,n=" + user + ",r=b", "SCRAM-SHA-1": "y,,n=" + user + ",r=b", "SCRAM-SHA-256-PLUS": "n,,n=" + user + ",r=b"} {
			x, err := s.Start(mechanism)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := say(t, x, message); !errors.Is(err, sasl.ErrBinding) {
				t.Errorf("downgrade to %q with %s: got %v, want %v", message, mechanism, err, sasl.ErrBinding)
			}
		}
	}
	// Without TLS there is no PLUS, and a client may say that it sees none.
	if _, _, err := say(t, start(t, users(), "SCRAM-SHA-256"), "y,,n="+user+",r=b"); err != nil {
		t.Errorf("without TLS: got %v", err)
	}
}

func TestEndPointOnlyOfTheCertificateThatWasShown(t *testing.T) {
	t.Parallel()
	first, second := selfSigned(t), selfSigned(t)
	current := &first
	server := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current, nil }}
	client := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1), ServerName: "a"}
	try := func(channel sasl.Channel) error {
		x, err := sasl.Server{Credentials: users(), Channel: channel}.Start("SCRAM-SHA-256-PLUS")
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = say(t, x, "p=tls-server-end-point,,n="+user+",r=b")
		return err
	}
	channel, _ := handshake(t, server, client)
	if err := try(channel); err != nil {
		t.Errorf("new connection: got %v", err)
	}
	channel, state := handshake(t, server, client)
	if err := try(channel); !state.DidResume || !errors.Is(err, sasl.ErrBinding) {
		t.Errorf("resumed %v: got %v, want %v", state.DidResume, err, sasl.ErrBinding)
	}
	shook := sasl.Handshake(server)
	current = &second
	if err := try(shook(state)); !errors.Is(err, sasl.ErrBinding) {
		t.Errorf("certificate replaced: got %v, want %v", err, sasl.ErrBinding)
	}
}

func TestExternal(t *testing.T) {
	t.Parallel()
	mine, other := selfSigned(t), selfSigned(t)
	server := &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, ClientAuth: tls.RequestClientCert}
	c := users()
	c.Bound, c.BoundTo = mine.Certificate[0], user
	channel, _ := handshake(t, server, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{mine}})
	s := sasl.Server{Credentials: c, Channel: channel}
	if got := s.Mechanisms()[0]; got != "EXTERNAL" {
		t.Fatalf("with the certificate: got %s first", got)
	}
	for response, want := range map[string]error{"": nil, user: nil, "bob@example.test": sasl.ErrBadCredentials, "a\x00b": sasl.ErrMalformed, "\xff": sasl.ErrMalformed} {
		x, err := s.Start("EXTERNAL")
		if err != nil {
			t.Fatal(err)
		}
		_, id, err := say(t, x, response)
		if !errors.Is(err, want) || (err == nil) != (id != nil) || id != nil && x.User() != user {
			t.Errorf("as %q: got %v, %v for %q, want %v", response, id, err, x.User(), want)
		}
	}
	for name, certs := range map[string][]tls.Certificate{"another": {other}, "none": nil} {
		channel, _ := handshake(t, server, &tls.Config{InsecureSkipVerify: true, Certificates: certs})
		if _, err := (sasl.Server{Credentials: c, Channel: channel}).Start("EXTERNAL"); !errors.Is(err, sasl.ErrMechanism) {
			t.Errorf("with certificate %s: got %v, want %v", name, err, sasl.ErrMechanism)
		}
	}
}
