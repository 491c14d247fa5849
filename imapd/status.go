package imapd

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"mailstead/imapd/wire"
	"mailstead/storage"
)

// status is RFC 9051 §6.3.11.
func (s *session) status(_ context.Context, c *wire.Command) (reply, error) {
	a := c.Args.(wire.StatusArgs)
	if err := knownItems(a.Items); err != nil {
		return reply{}, err
	}
	at, err := s.locate(a.Mailbox, storage.RightRead)
	if err != nil {
		return reply{}, err
	}
	return done(), s.writeStatus(at, a.Items)
}

// writeStatus writes a STATUS response that the client has asked for.
func (s *session) writeStatus(at place, items []string) error {
	if slices.Contains(items, "HIGHESTMODSEQ") {
		s.watchModSeqs()
	}
	return s.tellStatus(at, items)
}

// tellStatus writes a STATUS response.
func (s *session) tellStatus(at place, items []string) error {
	list, err := s.statusText(at, items)
	if err != nil {
		return err
	}
	s.w.StatusData(at.box.Name, list)
	return nil
}

// statusText gives items of STATUS with their values.
func (s *session) statusText(at place, items []string) (string, error) {
	var list []string
	for _, item := range items {
		if item == "MAILBOXID" { // RFC 8474 §4.3
			list = append(list, "MAILBOXID ("+mailboxID(at.Ref)+")")
			continue
		}
		n, err := s.statusItem(at, item)
		if err != nil {
			return "", err
		}
		list = append(list, item+" "+strconv.FormatInt(n, 10))
	}
	return strings.Join(list, " "), nil
}

// knownItems refuses what is no item of STATUS.
func knownItems(items []string) error {
	for _, item := range items {
		if !slices.Contains(statusItems, item) {
			return protocolError{bad("STATUS item " + strconv.Quote(item) + " is not known")}
		}
	}
	return nil
}

// statusItems are the items of STATUS: RFC 9051 §6.3.11, RFC 3501 §6.3.10
// (RECENT), RFC 7162 §3.1.7, RFC 7889 §3, RFC 8474 §4.3, RFC 9208 §4.1.4.
var statusItems = []string{
	"APPENDLIMIT", "DELETED", "DELETED-STORAGE", "HIGHESTMODSEQ", "MAILBOXID", "MESSAGES", "RECENT", "SIZE", "UIDNEXT", "UIDVALIDITY", "UNSEEN",
}

// statusItem gives the value of one item of STATUS.
func (s *session) statusItem(at place, item string) (int64, error) {
	box := at.box
	switch item {
	case "MESSAGES":
		return int64(box.Messages), nil
	case "UIDNEXT":
		return int64(box.UIDNext), nil
	case "UIDVALIDITY":
		return int64(box.UIDValidity), nil
	case "UNSEEN":
		return int64(box.Unseen), nil
	case "DELETED":
		return int64(box.Deleted), nil
	case "DELETED-STORAGE": // RFC 9208 §4.1.4
		return box.DeletedBytes, nil
	case "SIZE":
		return box.Bytes, nil
	case "APPENDLIMIT":
		return s.srv.o.MaxMessageSize, nil
	case "HIGHESTMODSEQ":
		return int64(box.HighestModSeq), nil
	case "RECENT":
		return s.countRecent(at)
	}
	return 0, protocolError{bad("STATUS item " + strconv.Quote(item) + " is not known")}
}

// countRecent counts the messages that no session has been told of.
func (s *session) countRecent(at place) (int64, error) {
	ref, box := at.Ref, at.box
	c, err := s.srv.o.Store.Contents(ref)
	if err != nil {
		return 0, err
	}
	return int64(s.srv.recents.unclaimed(ref, box, c).Len()), nil
}
