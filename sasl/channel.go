package sasl

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"

	"github.com/xdg-go/scram"
)

// Channel is the TLS of a connection; the zero value is none.
type Channel struct {
	state *tls.ConnectionState
	shown []byte // certificate of the server, DER; nil when it is not known
}

// Handshake watches a handshake: call it before, and what it gives afterwards.
// A certificate that was replaced meanwhile is not known to have been shown, and
// one that TLS resumed was shown in another connection.
func Handshake(config *tls.Config) func(tls.ConnectionState) Channel {
	before := leaf(config)
	return func(state tls.ConnectionState) Channel {
		c := Channel{state: &state}
		if !state.DidResume && bytes.Equal(before, leaf(config)) {
			c.shown = before
		}
		return c
	}
}

// leaf is the certificate that a server with this configuration shows; nil when
// that depends on the client.
func leaf(config *tls.Config) []byte {
	var cert *tls.Certificate
	switch {
	case config.GetConfigForClient != nil:
		return nil
	case len(config.Certificates) == 1:
		cert = &config.Certificates[0]
	case len(config.Certificates) == 0 && config.GetCertificate != nil:
		cert, _ = config.GetCertificate(&tls.ClientHelloInfo{}) // an error: not known
	}
	if cert == nil || len(cert.Certificate) == 0 {
		return nil
	}
	return cert.Certificate[0]
}

// Secure tells whether there is TLS.
func (c Channel) Secure() bool { return c.state != nil }

// certificate is what the client has shown, nil for none. TLS has proved that
// the client has its key.
func (c Channel) certificate() []byte {
	if c.state == nil || len(c.state.PeerCertificates) == 0 {
		return nil
	}
	return c.state.PeerCertificates[0].Raw
}

func (c Channel) canBind() bool {
	return c.binding(string(scram.ChannelBindingTLSExporter)) != nil || c.binding(string(scram.ChannelBindingTLSServerEndpoint)) != nil
}

// binding gives the data of a channel binding, nil when it is not possible.
// tls-unique is none of ours: TLS 1.3 has it not, and before it is safe only
// where tls-exporter is possible as well (RFC 9266 §4).
func (c Channel) binding(kind string) []byte {
	if c.state == nil {
		return nil
	}
	switch scram.ChannelBindingType(kind) {
	case scram.ChannelBindingTLSExporter:
		// RFC 9266 §2. Before TLS 1.3 it fails without extended master secret.
		b, err := c.state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if err != nil {
			return nil
		}
		return b
	case scram.ChannelBindingTLSServerEndpoint:
		return endPoint(c.shown)
	}
	return nil
}

// endPoint is RFC 5929 §4.1: the certificate under the hash of its signature,
// but SHA-256 in place of MD5 and SHA-1.
func endPoint(der []byte) []byte {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256:
		sum := sha256.Sum256(der)
		return sum[:]
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		sum := sha512.Sum384(der)
		return sum[:]
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		sum := sha512.Sum512(der)
		return sum[:]
	}
	return nil // RFC 5929 §4.1: undefined for signatures without a hash, like Ed25519's
}
