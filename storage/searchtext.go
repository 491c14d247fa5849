package storage

import (
	"strings"

	"mailstead/mail"
)

// The part of a search that looks into what a message says.

func (c *candidate) texts(q *Query) bool {
	if len(q.Header)+len(q.Text)+len(q.Body) == 0 {
		return true
	}
	list, ok := c.conds[q]
	if !ok {
		list = q.conds()
		c.conds[q] = list
	}
	for _, k := range list {
		switch c.ask.says(k, c.row.Blob) {
		case no:
			return false
		case yes:
			continue
		}
		switch {
		case k.kind == inField:
			if !c.hasHeader(k) {
				return false
			}
		case k.kind == inText && strings.Contains(c.wholeHeader(), k.value):
		case !strings.Contains(c.body(), k.value):
			return false
		}
	}
	return true
}

func (c *candidate) hasHeader(k textCond) bool {
	m := c.message()
	if m == nil {
		return false
	}
	fields := m.Fields
	if !m.FieldsComplete || !mail.CachedField(k.field) {
		fields = c.rawHeader()
	}
	for v := range fieldTexts(fields, k.field) {
		if strings.Contains(v, k.value) {
			return true
		}
	}
	return false
}

// message is the description, nil when the message can't be read.
func (c *candidate) message() *mail.Message {
	if !c.described {
		c.described = true
		err := c.s.view(func(x index) error {
			c.msg = x.message(c.account, c.row.Blob)
			return nil
		})
		if err != nil {
			c.s.log.Warn("message not searched", "uid", c.row.UID, "err", err)
		}
	}
	return c.msg
}

// read hands f the open body; a damaged one is logged.
func (c *candidate) read(f func(Content)) {
	b, err := c.s.OpenBlob(c.ctx, c.row.Blob)
	if err != nil {
		c.s.log.Warn("message not searched", "uid", c.row.UID, "err", err)
		return
	}
	f(b)
	_ = b.Close() // only read from
}

func (c *candidate) rawHeader() []byte {
	if m := c.message(); c.raw == nil && m != nil {
		c.read(func(b Content) { c.raw = readHeader(m, b) })
	}
	return c.raw
}

func (c *candidate) wholeHeader() string {
	if c.header == nil {
		s := headerText(c.rawHeader())
		c.header = &s
	}
	return *c.header
}

func (c *candidate) body() string {
	if c.text == nil {
		s := ""
		if m := c.message(); m != nil {
			c.read(func(b Content) { s = bodyText(m, b) })
		}
		c.text = &s
	}
	return *c.text
}
