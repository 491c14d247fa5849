package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"
)

// Limits of a password. The upper one bounds what a stranger can have hashed.
const (
	MinPassword = 8    // characters, of a new one
	MaxPassword = 1024 // bytes
)

// Argon2 are the parameters of argon2id (RFC 9106).
type Argon2 struct {
	Time    uint32 // passes
	Memory  uint32 // KiB
	Threads uint8
}

// DefaultArgon2 is OWASP's minimum for argon2id: 19 MiB and two passes, about
// 20 ms.
func DefaultArgon2() Argon2 { return Argon2{Time: 2, Memory: 19 << 10, Threads: 1} }

const (
	saltBytes = 16
	hashBytes = 32
)

func (p Argon2) validate() error {
	if p.Time == 0 || p.Time > 100 || p.Memory < 8 || p.Memory > 4<<20 || p.Threads == 0 || p.Memory < 8*uint32(p.Threads) {
		return fmt.Errorf("argon2id with %d passes, %d KiB, %d threads: %w", p.Time, p.Memory, p.Threads, ErrInvalid)
	}
	return nil
}

// hash gives the PHC string of a password.
func (p Argon2) hash(password []byte) string {
	salt := randomBytes(saltBytes)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Time, p.Threads, b64.EncodeToString(salt),
		b64.EncodeToString(argon2.IDKey(password, salt, p.Time, p.Memory, p.Threads, hashBytes)))
}

// parsePHC reads an argon2id PHC string.
func parsePHC(s string) (p Argon2, salt, sum []byte, ok bool) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, false
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Time, &p.Threads); n != 3 || err != nil || p.validate() != nil {
		return p, nil, nil, false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	return p, salt, sum, err1 == nil && err2 == nil && len(salt) >= 8 && len(sum) >= 16 && len(sum) <= 128
}

func isBcrypt(s string) bool {
	_, err := bcrypt.Cost([]byte(s))
	return err == nil
}

func knownHash(s string) bool {
	_, _, _, ok := parsePHC(s)
	return ok || isBcrypt(s)
}

// matches compares a password with its record; stale tells that the record
// should be made anew.
func (p Argon2) matches(record string, password []byte) (ok, stale bool) {
	if isBcrypt(record) {
		// bcrypt sees the first 72 bytes only; longer ones never were set with it.
		return bcrypt.CompareHashAndPassword([]byte(record), password) == nil, true
	}
	q, salt, sum, known := parsePHC(record)
	if !known {
		return false, false
	}
	got := argon2.IDKey(password, salt, q.Time, q.Memory, q.Threads, uint32(len(sum)))
	return subtle.ConstantTimeCompare(got, sum) == 1, q != p
}

// prepare gives the bytes of a password that are hashed: NFC, so that the same
// key presses are the same password on every system (RFC 8265 §4.2).
func prepare(password string) []byte { return norm.NFC.Bytes([]byte(password)) }

// newHash hashes a new password and makes its secrets.
func (db *DB) newHash(ctx context.Context, password string, cram bool) (hash string, s secrets, err error) {
	switch {
	case utf8.RuneCountInString(password) < MinPassword:
		return "", s, fmt.Errorf("fewer than %d characters: %w", MinPassword, ErrBadPassword)
	case len(password) > MaxPassword:
		return "", s, fmt.Errorf("more than %d bytes: %w", MaxPassword, ErrBadPassword)
	case !utf8.ValidString(password) || strings.ContainsAny(password, "\x00\r\n"):
		return "", s, fmt.Errorf("control characters: %w", ErrBadPassword)
	}
	if err := db.hashing.Acquire(ctx, 1); err != nil {
		return "", s, err
	}
	defer db.hashing.Release(1)
	s, err = db.makeSecrets(password, cram)
	return db.params.hash(prepare(password)), s, err
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}
