package sasl

import (
	"bytes"
	"context"
)

// external is EXTERNAL (RFC 4422 appendix A): TLS has shown who the client is,
// by a certificate bound to an account. The response names whom it wants to be,
// or is empty.
type external struct {
	c           Credentials
	certificate []byte
	name        string
}

func (m *external) user() string { return m.name }

func (m *external) next(_ context.Context, response []byte) ([]byte, *Identity, error) {
	if response == nil {
		return []byte{}, nil, nil
	}
	if !text(response) || bytes.IndexByte(response, 0) >= 0 {
		return nil, nil, ErrMalformed
	}
	m.name = string(response)
	id, err := m.c.Certificate(m.certificate, m.name)
	if err == nil {
		m.name = id.Name
	}
	return enter(id, err)
}
