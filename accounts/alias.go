package accounts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mailstead/mail"
)

// Limits of aliases.
const (
	maxTargets   = 1000 // of one alias
	maxExpansion = 1000 // recipients of one address in the end
	maxHops      = 10
)

// Alias is an address whose mail goes to other addresses of this server.
type Alias struct {
	Address mail.Address
	Targets []mail.Address
	Created time.Time
}

// Recipient is an account that receives what is sent to an address.
type Recipient struct {
	Account mail.AccountID
	Address mail.Address // the account's own
	Detail  string       // of plus-addressing
}

// SetAlias makes an alias or gives it other targets. Errors: ErrNotLocal,
// ErrExists for an account's address, ErrUnknownAddress, ErrAliasLoop, ErrLimit.
func (db *DB) SetAlias(ctx context.Context, addr mail.Address, targets ...mail.Address) error {
	if len(targets) == 0 || len(targets) > maxTargets {
		return fmt.Errorf("alias %q with %d targets: %w", addr, len(targets), ErrLimit)
	}
	return db.update(ctx, func(c *change) error {
		if err := c.view.local(addr); err != nil {
			return err
		}
		old, had := c.view.aliases[addr.Key()]
		if !had {
			if err := c.view.taken(addr); err != nil {
				return err
			}
			old.Created = db.stamp()
		}
		if err := c.putAlias(Alias{addr, slices.Clone(targets), old.Created}); err != nil {
			return err
		}
		return c.view.stillLeads(db.detail)
	})
}

// RemoveAlias removes an alias. Errors: ErrNotFound, ErrInUse when another one
// leads to it.
func (db *DB) RemoveAlias(ctx context.Context, addr mail.Address) error {
	return db.update(ctx, func(c *change) error {
		if _, ok := c.view.aliases[addr.Key()]; !ok {
			return fmt.Errorf("alias %q: %w", addr, ErrNotFound)
		}
		if err := c.deleteAlias(addr.Key()); err != nil {
			return err
		}
		if err := c.view.stillLeads(db.detail); err != nil {
			return fmt.Errorf("%w: %w", ErrInUse, err)
		}
		return nil
	})
}

// Aliases lists the aliases by address.
func (db *DB) Aliases() []Alias {
	return slices.SortedFunc(maps.Values(db.current.Load().aliases), func(a, b Alias) int {
		return strings.Compare(a.Address.Key(), b.Address.Key())
	})
}

// Resolve finds who receives mail for an address: its account, its alias
// expanded, without its detail, the domain's catch-all; each account once.
// postmaster of any domain of ours always has a recipient while there is an
// account (RFC 5321 §4.5.1). Errors: ErrNotLocal, ErrUnknownAddress.
func (db *DB) Resolve(_ context.Context, addr mail.Address) ([]Recipient, error) {
	v := db.current.Load()
	list, err := v.resolve(addr, db.detail)
	if errors.Is(err, ErrUnknownAddress) && strings.EqualFold(addr.Local, "postmaster") {
		if r := v.postmaster(addr.Domain); r != nil {
			return []Recipient{{Account: r.ID, Address: r.Address}}, nil
		}
	}
	return list, err
}

// postmaster is the oldest account of the domain, or of the server.
func (v *view) postmaster(domain string) (found *record) {
	for _, id := range slices.Sorted(maps.Keys(v.accounts)) {
		r := v.accounts[id]
		if r.Address.Domain == domain {
			return r
		}
		if found == nil {
			found = r
		}
	}
	return found
}

func (v *view) resolve(addr mail.Address, sep string) ([]Recipient, error) {
	e := expansion{view: v, sep: sep, have: map[mail.AccountID]bool{}}
	if err := e.add(addr, 0); err != nil {
		return nil, err
	}
	return e.list, nil
}

// expansion gathers the recipients of one address.
type expansion struct {
	view *view
	sep  string
	have map[mail.AccountID]bool
	list []Recipient
	path []string // aliases being expanded
	work int
}

func (e *expansion) add(addr mail.Address, hops int) error {
	if e.work++; hops > maxHops || e.work > maxExpansion {
		return fmt.Errorf("address %q leads to too many: %w", addr, ErrLimit)
	}
	if err := e.view.local(addr); err != nil {
		return err
	}
	base, detail := addr.Detail(e.sep)
	for _, try := range []struct {
		addr   mail.Address
		detail string
	}{{addr, ""}, {base, detail}} {
		if r := e.view.byAddress(try.addr); r != nil {
			if !e.have[r.ID] {
				e.have[r.ID] = true
				e.list = append(e.list, Recipient{r.ID, r.Address, try.detail})
			}
			return nil
		}
		if a, ok := e.view.aliases[try.addr.Key()]; ok {
			return e.through(try.addr.Key(), a.Targets, hops)
		}
	}
	if d := e.view.domains[addr.Domain]; !d.CatchAll.IsNull() {
		return e.through("@"+d.Name, []mail.Address{d.CatchAll}, hops)
	}
	return fmt.Errorf("address %q: %w", addr, ErrUnknownAddress)
}

func (e *expansion) through(name string, targets []mail.Address, hops int) error {
	if slices.Contains(e.path, name) {
		return fmt.Errorf("address %q: %w", name, ErrAliasLoop)
	}
	e.path = append(e.path, name)
	defer func() { e.path = e.path[:len(e.path)-1] }()
	for _, t := range targets {
		if err := e.add(t, hops+1); err != nil {
			return err
		}
	}
	return nil
}

// leads tells why an address leads to no account; nil when it does.
func (v *view) leads(addr mail.Address, sep string) error {
	_, err := v.resolve(addr, sep)
	return err
}

// stillLeads tells why an alias or catch-all leads to no account after a
// change.
func (v *view) stillLeads(sep string) error {
	for _, a := range v.aliases {
		if err := v.leads(a.Address, sep); err != nil {
			return fmt.Errorf("alias %q: %w", a.Address, err)
		}
	}
	for _, d := range v.domains {
		if d.CatchAll.IsNull() {
			continue
		}
		if err := v.leads(d.CatchAll, sep); err != nil {
			return fmt.Errorf("catch-all of %q: %w", d.Name, err)
		}
	}
	return nil
}
