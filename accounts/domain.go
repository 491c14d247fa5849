package accounts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mailstead/mail"
)

// Domain is a domain this server receives mail for.
type Domain struct {
	Name     string       // lower-case A-labels
	CatchAll mail.Address // who gets mail to addresses that do not exist; zero: nobody
	Created  time.Time
}

// AddDomain adds a domain. Errors: ErrInvalid, ErrExists.
func (db *DB) AddDomain(ctx context.Context, name string) (Domain, error) {
	name, err := domainName(name)
	if err != nil {
		return Domain{}, err
	}
	d := Domain{Name: name, Created: db.stamp()}
	err = db.update(ctx, func(c *change) error {
		if _, ok := c.view.domains[name]; ok {
			return fmt.Errorf("domain %q: %w", name, ErrExists)
		}
		return c.putDomain(d)
	})
	return d, err
}

// RemoveDomain removes a domain that has no addresses and no aliases left.
// Errors: ErrNotFound, ErrInUse, which says by what.
func (db *DB) RemoveDomain(ctx context.Context, name string) error {
	name, err := domainName(name)
	if err != nil {
		return err
	}
	return db.update(ctx, func(c *change) error {
		if _, ok := c.view.domains[name]; !ok {
			return fmt.Errorf("domain %q: %w", name, ErrNotFound)
		}
		if err := c.view.domainInUse(name); err != nil {
			return err
		}
		if err := c.deleteDomain(name); err != nil {
			return err
		}
		return c.view.stillLeads(db.detail)
	})
}

// domainInUse says what keeps a domain from being removed, as ErrInUse.
func (v *view) domainInUse(name string) error {
	accounts, aliases, example := 0, 0, ""
	for _, r := range v.accounts {
		for _, a := range r.Addresses {
			if a.Domain == name {
				accounts++
				example = a.String()
			}
		}
	}
	for _, a := range v.aliases {
		if a.Address.Domain == name {
			aliases++
			example = a.Address.String()
		}
	}
	if accounts+aliases == 0 {
		return nil
	}
	return fmt.Errorf("domain %q has %d addresses of accounts and %d aliases (%q for one): %w", name, accounts, aliases, example, ErrInUse)
}

// SetCatchAll sends mail for addresses of a domain that do not exist to target,
// a local address; the zero target ends that. Errors: ErrNotFound, ErrNotLocal,
// ErrUnknownAddress, ErrAliasLoop, ErrInUse when an alias depends on the
// catch-all that is to end.
func (db *DB) SetCatchAll(ctx context.Context, domain string, target mail.Address) error {
	domain, err := domainName(domain)
	if err != nil {
		return err
	}
	return db.update(ctx, func(c *change) error {
		d, ok := c.view.domains[domain]
		if !ok {
			return fmt.Errorf("domain %q: %w", domain, ErrNotFound)
		}
		if !target.IsNull() {
			// Against the state without any catch-all here: one that leads
			// to itself would look as if it led somewhere.
			d.CatchAll = mail.Address{}
			c.view.domains[domain] = d
			if err := c.view.leads(target, db.detail); err != nil {
				return fmt.Errorf("catch-all of %q: %w", domain, err)
			}
		}
		d.CatchAll = target
		if err := c.putDomain(d); err != nil {
			return err
		}
		return c.view.stillLeads(db.detail)
	})
}

// Domains lists the domains by name.
func (db *DB) Domains() []Domain {
	return slices.SortedFunc(maps.Values(db.current.Load().domains), func(a, b Domain) int {
		return strings.Compare(a.Name, b.Name)
	})
}

// Domain gives one domain. Errors: ErrInvalid, ErrNotFound.
func (db *DB) Domain(name string) (Domain, error) {
	name, err := domainName(name)
	if err != nil {
		return Domain{}, err
	}
	d, ok := db.current.Load().domains[name]
	if !ok {
		return Domain{}, fmt.Errorf("domain %q: %w", name, ErrNotFound)
	}
	return d, nil
}

// LocalDomain tells whether mail for the domain belongs here.
func (db *DB) LocalDomain(name string) bool {
	domains := db.current.Load().domains
	if _, ok := domains[name]; ok {
		return true
	}
	name, err := mail.ParseDomain(name)
	if err != nil {
		return false
	}
	_, ok := domains[name]
	return ok
}

func domainName(s string) (string, error) {
	name, err := mail.ParseDomain(s)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return name, nil
}

// stamp is the time as rows keep it.
func (db *DB) stamp() time.Time { return db.now().UTC().Truncate(time.Second) }
