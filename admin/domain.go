package admin

import (
	"context"

	"mailstead/accounts"
	"mailstead/mail"
)

func domainOf(d accounts.Domain) Domain {
	out := Domain{Name: d.Name, Created: d.Created}
	if !d.CatchAll.IsNull() {
		out.CatchAll = d.CatchAll.String()
	}
	return out
}

// AddDomain adds a domain. Reads Name.
func (s *Service) AddDomain(ctx context.Context, q DomainQuery) (Domain, error) {
	d, err := s.o.Accounts.AddDomain(ctx, q.Name)
	if err != nil {
		return Domain{}, err
	}
	s.log.Info("domain added", "domain", d.Name)
	return domainOf(d), nil
}

// Domains lists the domains.
func (s *Service) Domains(context.Context, struct{}) ([]Domain, error) {
	list := []Domain{}
	for _, d := range s.o.Accounts.Domains() {
		list = append(list, domainOf(d))
	}
	return list, nil
}

// RemoveDomain removes a domain nothing uses any more. Reads Name.
func (s *Service) RemoveDomain(ctx context.Context, q DomainQuery) (Domain, error) {
	d, err := s.o.Accounts.Domain(q.Name)
	if err != nil {
		return Domain{}, err
	}
	if err := s.o.Accounts.RemoveDomain(ctx, q.Name); err != nil {
		return Domain{}, err
	}
	s.log.Info("domain removed", "domain", d.Name)
	return domainOf(d), nil
}

// SetCatchAll says who gets mail to addresses of a domain that do not exist.
// Reads Name and CatchAll.
func (s *Service) SetCatchAll(ctx context.Context, q DomainQuery) (Domain, error) {
	var target mail.Address
	if q.CatchAll != "" {
		var err error
		if target, err = parse("catch-all", q.CatchAll); err != nil {
			return Domain{}, err
		}
	}
	if err := s.o.Accounts.SetCatchAll(ctx, q.Name, target); err != nil {
		return Domain{}, err
	}
	d, err := s.o.Accounts.Domain(q.Name)
	if err != nil {
		return Domain{}, err
	}
	s.log.Info("catch-all changed", "domain", d.Name)
	return domainOf(d), nil
}

// SetAlias makes an address stand for others, instead of those it stood for.
func (s *Service) SetAlias(ctx context.Context, q Alias) (Alias, error) {
	addr, err := parse("alias", q.Address)
	if err != nil {
		return Alias{}, err
	}
	var targets []mail.Address
	for _, t := range q.Targets {
		a, err := parse("target", t)
		if err != nil {
			return Alias{}, err
		}
		targets = append(targets, a)
	}
	if err := s.o.Accounts.SetAlias(ctx, addr, targets...); err != nil {
		return Alias{}, err
	}
	s.log.Info("alias set", "alias", addr.String())
	return aliasOf(accounts.Alias{Address: addr, Targets: targets}), nil
}

// Aliases lists the aliases.
func (s *Service) Aliases(context.Context, struct{}) ([]Alias, error) {
	list := []Alias{}
	for _, a := range s.o.Accounts.Aliases() {
		list = append(list, aliasOf(a))
	}
	return list, nil
}

// RemoveAlias removes an alias. Reads Address.
func (s *Service) RemoveAlias(ctx context.Context, q Alias) (Alias, error) {
	addr, err := parse("alias", q.Address)
	if err != nil {
		return Alias{}, err
	}
	if err := s.o.Accounts.RemoveAlias(ctx, addr); err != nil {
		return Alias{}, err
	}
	s.log.Info("alias removed", "alias", addr.String())
	return Alias{Address: addr.String(), Targets: []string{}}, nil
}

func aliasOf(a accounts.Alias) Alias {
	out := Alias{Address: a.Address.String(), Targets: []string{}}
	for _, t := range a.Targets {
		out.Targets = append(out.Targets, t.String())
	}
	return out
}
