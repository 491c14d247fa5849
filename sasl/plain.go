package sasl

import (
	"bytes"
	"context"
)

// plain is PLAIN (RFC 4616): authzid NUL authcid NUL password.
type plain struct {
	c    Credentials
	name string
}

func (m *plain) user() string { return m.name }

func (m *plain) next(ctx context.Context, response []byte) ([]byte, *Identity, error) {
	if response == nil {
		return []byte{}, nil, nil
	}
	fields := bytes.Split(response, []byte{0})
	if len(fields) != 3 || len(fields[1]) == 0 || !text(response) {
		return nil, nil, ErrMalformed
	}
	m.name = string(fields[1])
	if !ownName(string(fields[0]), m.name) {
		return nil, nil, ErrActsForAnother
	}
	return enter(m.c.Password(ctx, m.name, string(fields[2])))
}

// enter makes a step of what Credentials says.
func enter(id Identity, err error) ([]byte, *Identity, error) {
	if err != nil {
		return nil, nil, err
	}
	return nil, &id, nil
}

// login is LOGIN, which no RFC describes but many clients speak: two questions,
// two answers. The first may come with the command.
type login struct {
	c     Credentials
	name  string
	named bool
}

func (m *login) user() string { return m.name }

func (m *login) next(ctx context.Context, response []byte) ([]byte, *Identity, error) {
	switch {
	case response == nil:
		return []byte("Username:"), nil, nil
	case !text(response):
		return nil, nil, ErrMalformed
	case !m.named && len(response) == 0:
		return nil, nil, ErrMalformed
	case !m.named:
		m.name, m.named = string(response), true
		return []byte("Password:"), nil, nil
	}
	return enter(m.c.Password(ctx, m.name, string(response)))
}
