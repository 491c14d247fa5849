package sasl

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
)

// CRAMSecret is what a server keeps of a password for CRAM-MD5: the two states
// of MD5 that HMAC begins with (RFC 2195 §2). Who has it can log in with
// CRAM-MD5. The zero value is nobody's.
type CRAMSecret struct{ inner, outer []byte }

// MakeCRAMSecret makes the secret of a password.
func MakeCRAMSecret(password []byte) CRAMSecret {
	if len(password) > md5.BlockSize { // RFC 2104 §2
		sum := md5.Sum(password)
		password = sum[:]
	}
	pad := func(with byte) []byte {
		block := bytes.Repeat([]byte{with}, md5.BlockSize)
		for i, b := range password {
			block[i] ^= b
		}
		h := md5.New()
		h.Write(block)
		state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			panic("sasl: state of MD5: " + err.Error()) // crypto/md5 never gives one
		}
		return state
	}
	return CRAMSecret{inner: pad(0x36), outer: pad(0x5c)}
}

// Pack gives the secret as bytes; empty for the zero value.
func (s CRAMSecret) Pack() []byte { return append(bytes.Clone(s.inner), s.outer...) }

// UnpackCRAMSecret reads what Pack gave.
func UnpackCRAMSecret(b []byte) (CRAMSecret, error) {
	if len(b) == 0 {
		return CRAMSecret{}, nil
	}
	s := CRAMSecret{inner: b[:len(b)/2], outer: b[len(b)/2:]}
	if len(b)%2 != 0 || s.digest(nil) == nil {
		return CRAMSecret{}, errors.New("not a secret of CRAM-MD5")
	}
	return s, nil
}

// digest is the HMAC of a challenge; nil when there is no secret.
func (s CRAMSecret) digest(challenge []byte) []byte {
	h := md5.New()
	if h.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.inner) != nil {
		return nil
	}
	h.Write(challenge)
	sum := h.Sum(nil)
	if h.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.outer) != nil {
		return nil
	}
	h.Write(sum)
	return h.Sum(nil)
}

// cramMD5 is CRAM-MD5 (RFC 2195): the server speaks first, the client answers
// "user digest".
type cramMD5 struct {
	c         Credentials
	hostname  string
	challenge []byte
	name      string
}

func (m *cramMD5) user() string { return m.name }

func (m *cramMD5) next(_ context.Context, response []byte) ([]byte, *Identity, error) {
	if m.challenge == nil {
		if response != nil {
			return nil, nil, ErrMalformed // RFC 4954 §4: the server speaks first
		}
		m.challenge = fmt.Appendf(nil, "<%s@%s>", rand.Text(), m.hostname)
		return m.challenge, nil, nil
	}
	at := bytes.LastIndexByte(response, ' ')
	if at <= 0 || !text(response) {
		return nil, nil, ErrMalformed
	}
	got := make([]byte, md5.Size)
	if len(response[at+1:]) != 2*md5.Size {
		return nil, nil, ErrMalformed
	}
	if _, err := hex.Decode(got, response[at+1:]); err != nil {
		return nil, nil, ErrMalformed
	}
	m.name = string(response[:at])
	c, err := m.c.Challenge(m.name, CRAM)
	if err != nil {
		return nil, nil, err
	}
	want := c.CRAM.digest(m.challenge)
	return enter(c.Finish(want != nil && subtle.ConstantTimeCompare(got, want) == 1))
}
