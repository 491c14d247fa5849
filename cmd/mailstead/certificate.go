package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"mailstead/admin"
)

// maxCertificateFile bounds what is read of a file with a certificate.
const maxCertificateFile = 256 << 10

// certAddVerb is mailstead account cert add.
type certAddVerb struct {
	accountArg
	File string `arg:"" type:"existingfile" help:"PEM file with the certificate; a key in it is not looked at."`
	reach
}

// Run is called by kong.
func (v *certAddVerb) Run(std streams) error {
	f, err := os.Open(v.File)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCertificateFile+1))
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	if len(b) > maxCertificateFile {
		return errors.New("read certificate: the file is too big for one")
	}
	cert, err := admin.CertificateOf(string(b)) // its key stays on this side
	if err != nil {
		return err
	}
	return v.certificates(std, "account/cert/add", admin.CertificateQuery{Address: v.Address, PEM: cert})
}

// certRemoveVerb is mailstead account cert remove.
type certRemoveVerb struct {
	accountArg
	Fingerprint string `arg:"" help:"SHA-256 of the certificate, as list shows it."`
	reach
}

// Run is called by kong.
func (v *certRemoveVerb) Run(std streams) error {
	return v.certificates(std, "account/cert/remove", admin.CertificateQuery{Address: v.Address, Fingerprint: v.Fingerprint})
}

// certListVerb is mailstead account cert list.
type certListVerb struct {
	accountArg
	reach
}

// Run is called by kong.
func (v *certListVerb) Run(std streams) error {
	return v.certificates(std, "account/show", admin.AccountQuery{Address: v.Address})
}

// certificates asks for an operation and lists the certificates of the account.
func (r reach) certificates(std streams, operation string, q any) error {
	var a admin.Account
	if err := r.ask(operation, q, &a); err != nil {
		return err
	}
	return r.tell(std, a, func(w *tabwriter.Writer) {
		if len(a.Certificates) == 0 {
			fmt.Fprintf(w, "no certificates log in to %s\n", a.Address)
			return
		}
		fmt.Fprintln(w, "FINGERPRINT\tNAME\tADDED")
		for _, c := range a.Certificates {
			fmt.Fprintf(w, "%s\t%s\t%s\n", c.Fingerprint, c.Name, c.Added.Format(time.DateTime))
		}
	})
}
