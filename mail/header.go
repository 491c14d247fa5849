package mail

import (
	"bytes"
	"iter"
	"strings"
)

// Field is one header field as it stands in a message.
type Field struct {
	Name string // as written
	// Raw is the whole field with its name, folds and last line break.
	Raw []byte
	// Start and End are its place in the header it was read from.
	Start, End int
}

// Value is what stands after the colon, unfolded (RFC 5322 §2.2.3), without
// the white space around it.
func (f Field) Value() string {
	_, v, _ := bytes.Cut(f.Raw, []byte{':'})
	return Unfold(string(v))
}

// Is compares the field's name without regard to case.
func (f Field) Is(name string) bool { return strings.EqualFold(f.Name, name) }

// Unfold takes the line breaks out of a field's value (RFC 5322 §2.2.3) and
// the white space around it.
func Unfold(v string) string {
	if strings.ContainsAny(v, "\r\n") {
		b := make([]byte, 0, len(v))
		for i := range len(v) {
			if v[i] != '\r' && v[i] != '\n' {
				b = append(b, v[i])
			}
		}
		v = string(b)
	}
	return strings.Trim(v, " \t")
}

// HeaderFields walks the fields of a raw header up to its empty line. What is
// no field (a line without a colon) is passed over.
func HeaderFields(raw []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		walkFields(raw, func(name []byte, start, end int) bool {
			return yield(Field{Name: string(name), Raw: raw[start:end], Start: start, End: end})
		})
	}
}

func walkFields(raw []byte, yield func(name []byte, start, end int) bool) {
	for pos := 0; pos < len(raw); {
		end := fieldEnd(raw, pos)
		f := raw[pos:end]
		if len(f) > 0 && (f[0] == '\n' || f[0] == '\r' && (len(f) == 1 || f[1] == '\n')) {
			return
		}
		if name, ok := fieldName(f); ok && !yield(name, pos, end) {
			return
		}
		pos = end
	}
}

// fieldEnd is where the field that starts at pos ends: after the line break
// that no white space follows.
func fieldEnd(raw []byte, pos int) int {
	for {
		i := bytes.IndexByte(raw[pos:], '\n')
		if i < 0 {
			return len(raw)
		}
		empty := i == 0 || i == 1 && raw[pos] == '\r'
		pos += i + 1
		if empty || pos >= len(raw) || raw[pos] != ' ' && raw[pos] != '\t' {
			return pos
		}
	}
}

// WholeFields is how much of a header that was cut off is fields that are whole.
func WholeFields(raw []byte) int {
	for pos := 0; ; {
		end := fieldEnd(raw, pos)
		if end == len(raw) {
			return pos
		}
		pos = end
	}
}

// fieldName is the name of a field; white space before the colon is obsolete
// but met (RFC 5322 §4.5).
func fieldName(f []byte) ([]byte, bool) {
	i := bytes.IndexByte(f, ':')
	if i <= 0 {
		return nil, false
	}
	for i > 0 && (f[i-1] == ' ' || f[i-1] == '\t') {
		i--
	}
	name := f[:i]
	if len(name) == 0 {
		return nil, false
	}
	for _, c := range name {
		if c <= ' ' || c == 0x7f {
			return nil, false
		}
	}
	return name, true
}

// CachedField tells whether a field of that name is kept in Message.Fields.
func CachedField(name string) bool {
	switch strings.ToLower(name) {
	case "date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references",
		"content-type", "content-transfer-encoding", "content-disposition", "mime-version", "list-id", "list-post",
		"list-unsubscribe", "x-priority", "priority", "importance", "x-mailer", "user-agent", "newsgroups",
		"disposition-notification-to", "delivered-to", "x-spam-flag", "return-receipt-to", "auto-submitted",
		"x-label", "x-keywords", "resent-from", "resent-to", "organization":
		return true
	}
	return false
}

// identifiers reads the message identifiers of a References or In-Reply-To
// field (RFC 5322 §3.6.4), without their "<>".
func identifiers(v string, most int) []string {
	var ids []string
	for len(ids) < most {
		_, rest, ok := strings.Cut(v, "<")
		if !ok {
			break
		}
		id, after, ok := strings.Cut(rest, ">")
		if !ok {
			break
		}
		if id = strings.Join(strings.Fields(id), ""); id != "" && len(id) <= maxIdentifier {
			ids = append(ids, id)
		}
		v = after
	}
	return ids
}

// maxIdentifier is the longest message identifier taken note of, in bytes
// (RFC 5322 §2.1.1 allows a line 998).
const maxIdentifier = 998
