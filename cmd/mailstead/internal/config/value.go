package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written "50MiB".
type Size int64

// Duration is a length of time, written "30s", "5m" or "1h30m".
type Duration time.Duration

// sizeUnits are tried in this order.
var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

var errSize = errors.New(`must be a size like "50MiB", "2GiB" or "0"`)

// ParseSize reads a size: a number with an optional unit (B, KiB, MiB, GiB,
// TiB, or in thousands kB, MB, GB, TB).
func ParseSize(s string) (Size, error) {
	number, unit := strings.TrimSpace(s), int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w (got %q)", errSize, s)
	}
	if n < 0 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%w, not negative and less than 8 million TiB (got %q)", errSize, s)
	}
	return Size(n * unit), nil
}

// String writes a size so that ParseSize reads the same.
func (s Size) String() string {
	if s == 0 {
		return "0"
	}
	for i := 3; i >= 0; i-- {
		if u := sizeUnits[i]; int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSize(string(b))
	return err
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf(`must be a length of time like "30s" or "5m" (got %q)`, b)
	}
	*d = Duration(v)
	return nil
}

// String writes the duration as a config file would.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
