package sasl

import (
	"context"
	"fmt"
	"strings"

	"github.com/xdg-go/scram"
)

// MinIterations is the least that RFC 7677 §4 allows.
const MinIterations = 4096

// Keys are what a server keeps of a password for SCRAM (RFC 5802 §3). Who has
// them can try out passwords, and can pass for the server, but cannot log in.
type Keys struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// MakeKeys makes the keys of a password. The password is prepared with SASLprep
// (RFC 5802 §2.2); one that cannot be, as it has characters that RFC 4013 does
// not know, is taken as it is, which is what clients do with it.
func MakeKeys(kind Secrets, password string, salt []byte, iterations int) (Keys, error) {
	h := hashOf(kind)
	c, err := h.NewClient("", password, "")
	if err != nil {
		if c, err = h.NewClientUnprepped("", password, ""); err != nil {
			return Keys{}, fmt.Errorf("make keys: %w", err)
		}
	}
	s, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return Keys{}, fmt.Errorf("make keys: %w", err)
	}
	return Keys{Salt: salt, Iterations: iterations, StoredKey: s.StoredKey, ServerKey: s.ServerKey}, nil
}

// KeySize is the length of each of the keys.
func KeySize(kind Secrets) int { return hashOf(kind)().Size() }

func hashOf(kind Secrets) scram.HashGeneratorFcn {
	if kind == ScramSHA1 {
		return scram.SHA1
	}
	return scram.SHA256
}

// scramServer is SCRAM (RFC 5802, RFC 7677) around the library's conversation.
// The library does not know under which name it was called, nor more than one
// channel binding; gs2 does what is missing.
type scramServer struct {
	c          Credentials
	channel    Channel
	kind       Secrets
	plus       bool // a -PLUS mechanism was named
	offersPlus bool

	conversation *scram.ServerConversation
	challenge    Challenge
	name         string
	id           *Identity // proved; the client has still to take note of our proof
}

func (m *scramServer) user() string { return m.name }

func (m *scramServer) next(_ context.Context, response []byte) ([]byte, *Identity, error) {
	switch {
	case m.id != nil:
		// None of our protocols has data along with success (RFC 4422 §5), so the
		// client answers our last message with nothing.
		if len(response) > 0 {
			return nil, nil, ErrMalformed
		}
		return nil, m.id, nil
	case m.conversation != nil:
		return m.last(string(response))
	case response == nil:
		return []byte{}, nil, nil
	case !text(response):
		return nil, nil, ErrMalformed
	}
	return m.first(string(response))
}

// first takes the client's first message and gives salt and nonce.
func (m *scramServer) first(message string) ([]byte, *Identity, error) {
	binding, err := m.gs2(message)
	if err != nil {
		return nil, nil, err
	}
	var refused error
	server, err := hashOf(m.kind).NewServer(func(user string) (scram.StoredCredentials, error) {
		m.name = user
		m.challenge, refused = m.c.Challenge(user, m.kind)
		k := m.challenge.Keys
		return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(k.Salt), Iters: k.Iterations}, StoredKey: k.StoredKey, ServerKey: k.ServerKey}, refused
	})
	if err != nil {
		return nil, nil, fmt.Errorf("begin scram: %w", err)
	}
	c := server.NewConversationWithChannelBinding(binding)
	answer, err := c.Step(message)
	switch {
	case refused != nil:
		return nil, nil, refused
	case err != nil || m.name == "":
		return nil, nil, ErrMalformed // the library's text has the peer's in it
	case !ownName(c.AuthzID(), m.name):
		return nil, nil, ErrActsForAnother
	}
	m.conversation = c
	return []byte(answer), nil, nil
}

// gs2 looks at the beginning of the first message (RFC 5802 §6, §7): whether the
// client binds to the channel, as the mechanism it named says.
func (m *scramServer) gs2(message string) (scram.ChannelBinding, error) {
	flag, _, ok := strings.Cut(message, ",")
	kind, binds := strings.CutPrefix(flag, "p=")
	switch {
	case !ok || !binds && flag != "n" && flag != "y":
		return scram.ChannelBinding{}, ErrMalformed
	case binds != m.plus:
		return scram.ChannelBinding{}, fmt.Errorf("flag %.40q: %w", flag, ErrBinding)
	case flag == "y" && m.offersPlus:
		return scram.ChannelBinding{}, fmt.Errorf("client was not told of it: %w", ErrBinding)
	case !binds:
		return scram.ChannelBinding{}, nil
	}
	data := m.channel.binding(kind)
	if data == nil {
		return scram.ChannelBinding{}, fmt.Errorf("binding %.40q is not known: %w", kind, ErrBinding)
	}
	return scram.ChannelBinding{Type: scram.ChannelBindingType(kind), Data: data}, nil
}

// last takes the client's proof and gives ours.
func (m *scramServer) last(message string) ([]byte, *Identity, error) {
	answer, err := m.conversation.Step(message)
	if err != nil && answer == "" {
		return nil, nil, ErrMalformed // could not be read; no guess was made
	}
	id, refused := m.challenge.Finish(err == nil && m.conversation.Valid())
	switch {
	case refused != nil && answer == scram.ErrChannelBindingsDontMatch:
		return nil, nil, fmt.Errorf("%w: %w", ErrBinding, refused)
	case refused != nil:
		return nil, nil, refused
	}
	m.id = &id
	return []byte(answer), nil, nil
}
