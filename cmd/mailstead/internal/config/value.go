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

// Duration is a length of time, written "30s", "5m", "1h30m" or "14d".
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

// day is the unit "d", which the time package does not have.
const day = 24 * time.Hour

var errDuration = errors.New(`must be a length of time like "30s", "5m" or "14d"`)

// ParseDuration reads a length of time as time.ParseDuration does, with whole
// days in front: "14d", "1d12h".
func ParseDuration(s string) (Duration, error) {
	number, rest, days := strings.Cut(s, "d")
	if !days {
		number, rest = "0", s
	} else if rest == "" {
		rest = "0"
	}
	n, err := strconv.ParseUint(number, 10, 16)
	v, rerr := time.ParseDuration(rest)
	sum := time.Duration(n)*day + v
	if err != nil || rerr != nil || n > 0 && (v < 0 || sum < 0) {
		return 0, fmt.Errorf("%w (got %q)", errDuration, s)
	}
	return Duration(sum), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDuration(string(b))
	return err
}

// String writes the duration as a config file would.
func (d Duration) String() string {
	if v := time.Duration(d); v >= 2*day && v%day == 0 {
		return strconv.FormatInt(int64(v/day), 10) + "d"
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
