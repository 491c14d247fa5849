package imapd

import "mailstead/mail"

// findPart finds a part by its number (RFC 9051 §6.4.5.1): the parts of a
// multipart count from one, a message that is no multipart has part 1, and the
// parts of an embedded message follow its own number.
func findPart(root *mail.Part, path []int) *mail.Part {
	p := root
	for i, n := range path {
		if i > 0 && p.Envelope != nil && len(p.Children) > 0 {
			p = p.Children[0]
		} else if i > 0 && p.Type != "multipart" {
			return nil
		}
		switch {
		case p.Type == "multipart":
			if n > len(p.Children) {
				return nil
			}
			p = p.Children[n-1]
		case n != 1:
			return nil
		}
	}
	return p
}
