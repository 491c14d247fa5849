package transfer

import (
	"bytes"
	"strings"
	"time"
)

// fromPrefix begins the line before each message of an mbox.
const fromPrefix = "From "

// isFromLine tells whether a line, without its end, begins a message. A line of
// text can begin with "From " too, so there must be a date or, as some programs
// write it, only a sender that looks like one.
func isFromLine(line []byte) bool {
	if !bytes.HasPrefix(line, []byte(fromPrefix)) {
		return false
	}
	if _, ok := fromDate(string(line)); ok {
		return true
	}
	words := strings.Fields(string(line[len(fromPrefix):]))
	return len(words) == 0 || len(words) == 1 && (words[0] == "-" || strings.Contains(words[0], "@"))
}

// fromDate reads the date of a From_ line, which is UTC where it names no zone
// (RFC 4155).
func fromDate(line string) (time.Time, bool) {
	words := strings.Fields(line)
	for i := 1; i < len(words); i++ {
		if len(words[i]) == 3 && strings.Contains("Mon Tue Wed Thu Fri Sat Sun", words[i]) {
			if t, ok := parseFromDate(words[i+1:]); ok {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// parseFromDate reads what follows the day of the week: "Jan 2 15:04:05 2006",
// the seconds left out or a zone before or after the year.
func parseFromDate(words []string) (time.Time, bool) {
	if len(words) < 4 {
		return time.Time{}, false
	}
	for _, layout := range []string{"Jan 2 15:04:05 2006 -0700", "Jan 2 15:04:05 -0700 2006", "Jan 2 15:04:05 2006", "Jan 2 15:04 2006", "Jan 2 15:04:05 MST 2006",
		"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05"} {
		n := strings.Count(layout, " ") + 1
		if len(words) < n {
			continue
		}
		if t, err := time.Parse(layout, strings.Join(words[:n], " ")); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// quoted tells whether a line is a From_ line with one ">" or more before it.
func quoted(line []byte) bool {
	return len(line) > 0 && line[0] == '>' && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte(fromPrefix))
}
