// Package sasltest has Credentials in memory and clients of SCRAM and CRAM-MD5,
// for the tests of whoever speaks SASL.
package sasltest

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"mailstead/sasl"
)

// Credentials knows users that have one password. The zero value offers SCRAM
// and knows nobody.
type Credentials struct {
	Users    map[string]uint32
	Secret   string
	Refuse   func(user string) error // before anything is looked at; nil: nobody
	CRAMMD5  bool
	Bound    []byte // a certificate, DER
	BoundTo  string
	NoScram  bool
	Anyone   sasl.Identity                  // everybody is, unless it is zero
	Finished func(user string, proved bool) // may be nil
}

// Offers implements sasl.Credentials.
func (c Credentials) Offers(certificate []byte) sasl.Offers {
	return sasl.Offers{Scram: !c.NoScram, CRAMMD5: c.CRAMMD5, External: certificate != nil && string(certificate) == string(c.Bound)}
}

// Password implements sasl.Credentials.
func (c Credentials) Password(_ context.Context, user, password string) (sasl.Identity, error) {
	if c.Refuse != nil {
		if err := c.Refuse(user); err != nil {
			return sasl.Identity{}, err
		}
	}
	return c.finish(user, password == c.Secret)
}

func (c Credentials) finish(user string, proved bool) (sasl.Identity, error) {
	if c.Finished != nil {
		c.Finished(user, proved)
	}
	if c.Anyone != (sasl.Identity{}) {
		return c.Anyone, nil
	}
	id, ok := c.Users[user]
	if !ok || !proved {
		return sasl.Identity{}, sasl.ErrBadCredentials
	}
	return sasl.Identity{Account: id, Name: user}, nil
}

// Challenge implements sasl.Credentials.
func (c Credentials) Challenge(user string, kind sasl.Secrets) (sasl.Challenge, error) {
	if c.Refuse != nil {
		if err := c.Refuse(user); err != nil {
			return sasl.Challenge{}, err
		}
	}
	out := sasl.Challenge{Finish: func(proved bool) (sasl.Identity, error) { return c.finish(user, proved) }}
	if kind == sasl.CRAM {
		out.CRAM = sasl.MakeCRAMSecret([]byte(c.Secret))
		return out, nil
	}
	var err error
	out.Keys, err = sasl.MakeKeys(kind, c.Secret, []byte("salt of "+user), sasl.MinIterations)
	return out, err
}

// Certificate implements sasl.Credentials.
func (c Credentials) Certificate(_ []byte, user string) (sasl.Identity, error) {
	return c.finish(c.BoundTo, user == "" || strings.EqualFold(user, c.BoundTo))
}

// Scram begins a client's conversation. binding's zero value is a client that
// cannot bind.
func Scram(t testing.TB, mechanism, user, password string, binding scram.ChannelBinding) *scram.ClientConversation {
	t.Helper()
	h := scram.SHA256
	if strings.HasPrefix(mechanism, "SCRAM-SHA-1") {
		h = scram.SHA1
	}
	c, err := h.NewClient(user, password, "")
	if err != nil {
		t.Fatal(err)
	}
	if binding.IsSupported() {
		return c.NewConversationWithChannelBinding(binding)
	}
	return c.NewConversation()
}

// CRAM answers a challenge of CRAM-MD5.
func CRAM(user, password, challenge string) string {
	h := hmac.New(md5.New, []byte(password))
	h.Write([]byte(challenge))
	return user + " " + hex.EncodeToString(h.Sum(nil))
}
