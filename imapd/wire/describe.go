package wire

import (
	"strconv"

	"mailstead/mail"
)

// Envelope writes an ENVELOPE (RFC 9051 §7.5.2); nil as one of nothing.
func (w *Writer) Envelope(e *mail.Envelope) { w.end(appendEnvelope(w.begin(), e, w.utf8)) }

// BodyStructure writes BODYSTRUCTURE, or without extended BODY (RFC 9051
// §7.5.2).
func (w *Writer) BodyStructure(p *mail.Part, extended bool) {
	w.end(appendPart(w.begin(), p, extended, w.utf8))
}

func appendEnvelope(b []byte, e *mail.Envelope, utf8 bool) []byte {
	if e == nil {
		e = &mail.Envelope{}
	}
	b = append(b, '(')
	b = appendNString(b, e.Date, utf8)
	b = append(b, ' ')
	b = appendNString(b, e.Subject, utf8)
	from := len(b)
	b = appendAddresses(b, e.From, utf8)
	after := len(b)
	for _, l := range [...][]mail.Mailbox{e.Sender, e.ReplyTo} {
		if len(l) > 0 && len(l) == len(e.From) && &l[0] == &e.From[0] {
			b = append(b, b[from:after]...)
		} else {
			b = appendAddresses(b, l, utf8)
		}
	}
	b = appendAddresses(b, e.To, utf8)
	b = appendAddresses(b, e.Cc, utf8)
	b = appendAddresses(b, e.Bcc, utf8)
	b = append(b, ' ')
	b = appendNString(b, e.InReplyTo, utf8)
	b = append(b, ' ')
	b = appendNString(b, e.MessageID, utf8)
	return append(b, ')')
}

// appendAddresses appends a space and a list of addresses.
func appendAddresses(b []byte, l []mail.Mailbox, utf8 bool) []byte {
	if len(l) == 0 {
		return append(b, " NIL"...)
	}
	b = append(b, " ("...)
	for i := range l {
		a := &l[i]
		b = append(b, '(')
		b = appendNString(b, a.Name, utf8)
		b = append(b, ' ')
		b = appendNString(b, a.Route, utf8)
		b = append(b, ' ')
		b = appendNString(b, a.Local, utf8)
		b = append(b, ' ')
		b = appendNString(b, a.Host, utf8)
		b = append(b, ')')
	}
	return append(b, ')')
}

func appendPart(b []byte, p *mail.Part, extended, utf8 bool) []byte {
	b = append(b, '(')
	if p.Type == "multipart" {
		for _, c := range p.Children {
			b = appendPart(b, c, extended, utf8)
		}
		b = append(b, ' ')
		b = appendString(b, p.Subtype, utf8)
		if extended {
			b = appendParams(b, p.Params, utf8)
			b = appendExtension(b, p, utf8)
		}
		return append(b, ')')
	}
	b = appendString(b, p.Type, utf8)
	b = append(b, ' ')
	b = appendString(b, p.Subtype, utf8)
	b = appendParams(b, p.Params, utf8)
	b = append(b, ' ')
	b = appendNString(b, p.ID, utf8)
	b = append(b, ' ')
	b = appendNString(b, p.Description, utf8)
	b = append(b, ' ')
	b = appendString(b, p.Encoding, utf8)
	b = append(b, ' ')
	b = strconv.AppendInt(b, p.End-p.BodyStart, 10)
	switch {
	case p.Envelope != nil && len(p.Children) > 0:
		b = append(b, ' ')
		b = appendEnvelope(b, p.Envelope, utf8)
		b = append(b, ' ')
		b = appendPart(b, p.Children[0], extended, utf8)
		b = append(b, ' ')
		b = strconv.AppendInt(b, p.Lines, 10)
	case p.Type == "text":
		b = append(b, ' ')
		b = strconv.AppendInt(b, p.Lines, 10)
	}
	if extended {
		b = append(b, ' ')
		b = appendNString(b, p.MD5, utf8)
		b = appendExtension(b, p, utf8)
	}
	return append(b, ')')
}

// appendExtension appends a space, and disposition, language and location.
func appendExtension(b []byte, p *mail.Part, utf8 bool) []byte {
	if p.Disposition == "" {
		b = append(b, " NIL"...)
	} else {
		b = append(b, " ("...)
		b = appendString(b, p.Disposition, utf8)
		b = appendParams(b, p.DispParams, utf8)
		b = append(b, ')')
	}
	if len(p.Language) == 0 {
		b = append(b, " NIL "...)
	} else {
		b = append(b, " ("...)
		for i, l := range p.Language {
			if i > 0 {
				b = append(b, ' ')
			}
			b = appendString(b, l, utf8)
		}
		b = append(b, ") "...)
	}
	return appendNString(b, p.Location, utf8)
}

// appendParams appends a space and parameters.
func appendParams(b []byte, l []mail.Param, utf8 bool) []byte {
	if len(l) == 0 {
		return append(b, " NIL"...)
	}
	b = append(b, " ("...)
	for i := range l {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendString(b, l[i].Name, utf8)
		b = append(b, ' ')
		b = appendString(b, l[i].Value, utf8)
	}
	return append(b, ')')
}
