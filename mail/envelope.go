package mail

import (
	netmail "net/mail"
	"strings"
)

// parseEnvelope reads the fields of ENVELOPE. Of fields that stand twice the
// first counts, addresses are gathered (RFC 5322 §3.6 allows one).
func parseEnvelope(h []byte) *Envelope {
	e := &Envelope{}
	once := func(dst *string, v string) {
		if *dst == "" {
			*dst = v
		}
	}
	list := func(dst *[]Mailbox, v string) {
		if len(*dst) < maxAddresses {
			*dst = append(*dst, parseAddressList(v)...)
		}
	}
	for f := range HeaderFields(h) {
		switch v := f.Value(); strings.ToLower(f.Name) {
		case "date":
			once(&e.Date, v)
		case "subject":
			once(&e.Subject, v)
		case "from":
			list(&e.From, v)
		case "sender":
			list(&e.Sender, v)
		case "reply-to":
			list(&e.ReplyTo, v)
		case "to":
			list(&e.To, v)
		case "cc":
			list(&e.Cc, v)
		case "bcc":
			list(&e.Bcc, v)
		case "in-reply-to":
			once(&e.InReplyTo, v)
		case "message-id":
			once(&e.MessageID, v)
		}
	}
	// RFC 9051 §7.5.2: the server fills in Sender and Reply-To.
	if len(e.Sender) == 0 {
		e.Sender = e.From
	}
	if len(e.ReplyTo) == 0 {
		e.ReplyTo = e.From
	}
	return e
}

// cacheFields fills what Message keeps of its header.
func (m *Message) cacheFields(h []byte) {
	m.FieldsComplete = len(h) < maxHeaderBytes/2 // a header cut short may have lost some
	var refs, reply string
	for f := range HeaderFields(h) {
		if f.Is("references") {
			refs += " " + f.Value()
		}
		if f.Is("in-reply-to") {
			reply += " " + f.Value()
		}
		if !CachedField(f.Name) {
			continue
		}
		if len(m.Fields)+len(f.Raw) > MaxCachedFields {
			m.FieldsComplete = false
			continue
		}
		m.Fields = append(m.Fields, f.Raw...)
	}
	ids := identifiers(refs, 1000)
	ids = append(ids, identifiers(reply, maxReferences)...)
	if len(ids) > maxReferences {
		ids = append(ids[:1:1], ids[len(ids)-maxReferences+1:]...) // the root and the nearest
	}
	m.References = ids
	if t, err := netmail.ParseDate(m.Envelope.Date); err == nil {
		_, zone := t.Zone()
		m.SentDate, m.SentZone = t.Unix(), zone/60
	}
}

// ID is the message's identifier without "<>", empty when it has none.
func (m *Message) ID() string {
	if ids := identifiers(m.Envelope.MessageID, 1); len(ids) > 0 {
		return ids[0]
	}
	return ""
}
