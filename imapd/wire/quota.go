package wire

// QuotaArgs of GETQUOTA and SETQUOTA (RFC 9208 §4.1).
type QuotaArgs struct {
	Root   string
	Limits []QuotaLimit
}

// QuotaLimit is a resource, in upper case, and its limit.
type QuotaLimit struct {
	Resource string
	Limit    int64
}

func (r *Reader) setQuota() (a QuotaArgs) {
	a.Root = r.arg(r.astring)
	r.need(' ')
	r.list(func() {
		l := QuotaLimit{Resource: r.keyword()}
		r.need(' ')
		l.Limit = r.number64()
		a.Limits = append(a.Limits, l)
	})
	return a
}
