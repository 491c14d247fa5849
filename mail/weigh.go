package mail

// What a part, a parameter and an address take at least when they are kept, in
// bytes.
const (
	weightOfPart    = 64
	weightOfParam   = 32
	weightOfMailbox = 64
)

// tell accounts for bytes of description; false when there is no room for them,
// and from then on.
func (p *parser) tell(n int) bool {
	if p.told+n > maxDescription {
		p.told = maxDescription + 1 // nothing more is read for nothing
		return false
	}
	p.told += n
	return true
}

// envelope reads the envelope of an embedded message, if there is room for it.
func (p *parser) envelope(h []byte) *Envelope {
	if p.told < maxDescription {
		if e := parseEnvelope(h); p.tell(weighEnvelope(e)) {
			return e
		}
	}
	return &Envelope{}
}

// weigh tells what a part takes without its children and envelope.
func weigh(p *Part) int {
	n := weightOfPart + len(p.ID) + len(p.Description) + len(p.MD5) + len(p.Location)
	for _, l := range [][]Param{p.Params, p.DispParams} {
		for i := range l {
			n += weightOfParam + len(l[i].Name) + len(l[i].Value)
		}
	}
	for _, l := range p.Language {
		n += weightOfParam + len(l)
	}
	return n
}

// weighEnvelope tells what an envelope takes.
func weighEnvelope(e *Envelope) int {
	n := len(e.Date) + len(e.Subject) + len(e.InReplyTo) + len(e.MessageID)
	for _, l := range [][]Mailbox{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		for i := range l {
			n += weightOfMailbox + len(l[i].Name) + len(l[i].Route) + len(l[i].Local) + len(l[i].Host)
		}
	}
	return n
}
