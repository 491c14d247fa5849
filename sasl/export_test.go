package sasl

import "encoding/hex"

// CRAMDigest is what a client would answer to a challenge.
func CRAMDigest(s CRAMSecret, challenge string) string {
	return hex.EncodeToString(s.digest([]byte(challenge)))
}
