package admin

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"mailstead/accounts"
	"mailstead/mail"
)

// CertificateQuery names an account and a certificate.
type CertificateQuery struct {
	Address     string `json:"address"`
	PEM         string `json:"pem,omitempty"`         // for account/cert/add
	Fingerprint string `json:"fingerprint,omitempty"` // for account/cert/remove: SHA-256 in hexadecimal
}

// Certificate is a client's certificate that logs in to an account.
type Certificate struct {
	Fingerprint string    `json:"fingerprint"` // SHA-256
	Name        string    `json:"name,omitempty"`
	Added       time.Time `json:"added"`
}

// AddCertificate binds the first certificate of a PEM file to an account. Reads
// Address and PEM.
func (s *Service) AddCertificate(ctx context.Context, q CertificateQuery) (Account, error) {
	cert, err := readCertificate(q.PEM)
	if err != nil {
		return Account{}, err
	}
	c := accounts.Certificate{Fingerprint: sha256.Sum256(cert.Raw), Name: cert.Subject.String()}
	return s.edit(q.Address, "certificate added", func(addr mail.Address) error { return s.o.Accounts.AddCertificate(ctx, addr, c) })
}

// RemoveCertificate takes a certificate from an account, whose sessions end.
// Reads Address and Fingerprint.
func (s *Service) RemoveCertificate(ctx context.Context, q CertificateQuery) (Account, error) {
	f, err := parseFingerprint(q.Fingerprint)
	if err != nil {
		return Account{}, err
	}
	return s.edit(q.Address, "certificate removed", func(addr mail.Address) error { return s.o.Accounts.RemoveCertificate(ctx, addr, f) })
}

// readCertificate finds the certificate in a PEM file, which may have its key
// beside it.
func readCertificate(text string) (*x509.Certificate, error) {
	for rest := []byte(text); ; {
		block, after := pem.Decode(rest)
		if block == nil {
			return nil, &Error{Invalid, "no certificate in the file; it must be PEM"}
		}
		if block.Type == "CERTIFICATE" {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, &Error{Invalid, fmt.Sprintf("certificate: %v", err)}
			}
			return cert, nil
		}
		rest = after
	}
}

// CertificateOf gives the first certificate of a PEM file, as PEM without what
// else is in the file.
func CertificateOf(text string) (string, error) {
	cert, err := readCertificate(text)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})), nil
}

// parseFingerprint reads 32 bytes in hexadecimal, with colons or without.
func parseFingerprint(text string) (f accounts.Fingerprint, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(b) != len(f) {
		return f, &Error{Invalid, fmt.Sprintf("%q is not the SHA-256 of a certificate", text)}
	}
	return accounts.Fingerprint(b), nil
}

// certificates are an account's as they are shown.
func certificates(a accounts.Account) (list []Certificate) {
	for _, c := range a.Certificates {
		list = append(list, Certificate{Fingerprint: c.Fingerprint.String(), Name: c.Name, Added: c.Added})
	}
	return list
}
