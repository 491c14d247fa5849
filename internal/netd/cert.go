package netd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync/atomic"
	"time"

	"mailstead/internal/durable"
)

// CertStore holds the certificate TLS shows; it can be replaced while serving.
type CertStore struct {
	cert atomic.Pointer[tls.Certificate]
}

// LoadCertificates reads a chain and its key, in PEM.
func LoadCertificates(certFile, keyFile string) (*CertStore, error) {
	s := &CertStore{}
	return s, s.Load(certFile, keyFile)
}

// Load reads a pair of files in place of those before. When that fails the old
// certificate stays.
func (s *CertStore) Load(certFile, keyFile string) error {
	c, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return fmt.Errorf("load certificate %q with key %q: %w", certFile, keyFile, err)
	}
	s.cert.Store(&c)
	return nil
}

// Config is a server's TLS configuration that always shows the certificate
// loaded last (RFC 8314 §4.1: TLS 1.2 at least).
func (s *CertStore) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return s.cert.Load(), nil
	}}
}

// selfSignedFor is how long a self-signed certificate lasts.
const selfSignedFor = 10 * 365 * 24 * time.Hour

// WriteSelfSigned makes a key and a certificate for the names and IP addresses,
// signed by itself, and writes both in PEM; the key readable by its owner only.
func WriteSelfSigned(certFile, keyFile string, names ...string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return fmt.Errorf("make certificate: %w", err)
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(selfSignedFor),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make certificate: %w", err)
	}
	if err := durable.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return err
	}
	return durable.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}
