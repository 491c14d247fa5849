package accounts

import (
	"context"
	"fmt"

	"mailstead/mail"
	"mailstead/sasl"
)

// DefaultIterations of SCRAM: eight times the least that RFC 7677 §4 allows. The
// client does them at each login, so a phone must not notice.
const DefaultIterations = 32768

const (
	maxIterations  = 1 << 24
	maxScramSalt   = 64
	maxSecretBytes = 512 // of one secret in a row
)

// secrets are what challenges are answered with. All of them are made of the
// same password as the record's hash.
type secrets struct {
	scram256 sasl.Keys // without a salt: there are none
	scram1   sasl.Keys
	cram     []byte // sasl.CRAMSecret, packed; empty: none
}

// makeSecrets makes what a password is to be kept as. The caller holds one of
// db.hashing.
func (db *DB) makeSecrets(password string, cram bool) (s secrets, err error) {
	if s.scram256, err = sasl.MakeKeys(sasl.ScramSHA256, password, randomBytes(saltBytes), db.iterations); err != nil {
		return s, err
	}
	if s.scram1, err = sasl.MakeKeys(sasl.ScramSHA1, password, randomBytes(saltBytes), db.iterations); err != nil {
		return s, err
	}
	if cram {
		s.cram = sasl.MakeCRAMSecret(prepare(password)).Pack()
	}
	return s, nil
}

// lacks tells whether a record should have secrets that it has not.
func (r *record) lacks() bool {
	return len(r.scram256.Salt) == 0 || r.CRAMMD5 && len(r.cram) == 0
}

// SetCRAMMD5 lets an account use CRAM-MD5, or not. Its secret is kept from the
// next password, or the next login with the password; without leave it is
// forgotten at once. ErrNotFound.
func (db *DB) SetCRAMMD5(ctx context.Context, addr mail.Address, on bool) error {
	return db.edit(ctx, addr, func(c *change, r *record) error {
		r.CRAMMD5 = on
		if !on {
			r.cram = nil
		}
		c.forget = append(c.forget, r.ID) // a remembered login has no password to keep
		return nil
	})
}

// HasScram tells whether an account's password is known in the form SCRAM needs.
func (db *DB) HasScram(id mail.AccountID) bool {
	r := db.current.Load().accounts[id]
	return r != nil && len(r.scram256.Salt) > 0
}

// appendSecrets is the part of an account's row that version 4 has added.
func appendSecrets(w *packer, r *record) {
	for _, k := range []sasl.Keys{r.scram256, r.scram1} {
		w.uint(uint64(k.Iterations))
		if k.Iterations == 0 {
			continue
		}
		w.str(string(k.Salt))
		w.str(string(k.StoredKey))
		w.str(string(k.ServerKey))
	}
	w.str(string(r.cram))
	w.uint(uint64(len(r.Certificates)))
	for _, c := range r.Certificates {
		w.str(string(c.Fingerprint[:]))
		w.str(c.Name)
		w.time(c.Added)
	}
}

func (u *unpacker) secrets(r *record) {
	r.scram256, r.scram1 = u.keys(sasl.ScramSHA256), u.keys(sasl.ScramSHA1)
	if s := u.str(); len(s) > maxSecretBytes {
		u.bad = true
	} else if s != "" {
		r.cram = []byte(s)
		if _, err := sasl.UnpackCRAMSecret(r.cram); err != nil {
			u.bad = true
		}
	}
	if len(r.cram) > 0 && !r.CRAMMD5 || (len(r.scram256.Salt) > 0) != (len(r.scram1.Salt) > 0) {
		u.bad = true
	}
	n := u.uint()
	if n > maxCertificates {
		u.bad = true
		return
	}
	for range n {
		c := Certificate{}
		if copy(c.Fingerprint[:], u.exactly(len(c.Fingerprint))) == 0 {
			return
		}
		c.Name, c.Added = u.str(), u.time()
		r.Certificates = append(r.Certificates, c)
	}
}

func (u *unpacker) keys(kind sasl.Secrets) (k sasl.Keys) {
	n := u.uint()
	if n == 0 {
		return k
	}
	if n < sasl.MinIterations || n > maxIterations {
		u.bad = true
		return k
	}
	salt := u.str()
	if salt == "" || len(salt) > maxScramSalt {
		u.bad = true
		return k
	}
	size := sasl.KeySize(kind)
	return sasl.Keys{Salt: []byte(salt), Iterations: int(n), StoredKey: u.exactly(size), ServerKey: u.exactly(size)}
}

// exactly reads a string of n bytes.
func (u *unpacker) exactly(n int) []byte {
	s := u.str()
	if len(s) != n {
		u.bad = true
		return nil
	}
	return []byte(s)
}

// checkIterations tells what is wrong with Options.Iterations.
func checkIterations(n int) error {
	if n < sasl.MinIterations || n > maxIterations {
		return fmt.Errorf("%d iterations of SCRAM: %w", n, ErrInvalid)
	}
	return nil
}
