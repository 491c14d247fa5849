package main

import (
	"fmt"
	"text/tabwriter"

	"mailstead/admin"
)

// domainArg names a domain.
type domainArg struct {
	Name string `arg:"" help:"The domain, like example.org."`
}

// domainAddVerb is mailstead domain add.
type domainAddVerb struct {
	domainArg
	reach
}

// Run is called by kong.
func (v *domainAddVerb) Run(std streams) error {
	return v.do(std, "domain/add", admin.DomainQuery{Name: v.Name}, "domain %s added\n")
}

// do asks and tells one line with the domain's name.
func (r reach) do(std streams, operation string, q admin.DomainQuery, line string) error {
	var d admin.Domain
	if err := r.ask(operation, q, &d); err != nil {
		return err
	}
	return r.tell(std, d, func(w *tabwriter.Writer) { fmt.Fprintf(w, line, d.Name) })
}

// domainRemoveVerb is mailstead domain remove.
type domainRemoveVerb struct {
	domainArg
	reach
}

// Run is called by kong.
func (v *domainRemoveVerb) Run(std streams) error {
	return v.do(std, "domain/remove", admin.DomainQuery{Name: v.Name}, "domain %s removed\n")
}

// domainCatchAllVerb is mailstead domain catch-all.
type domainCatchAllVerb struct {
	domainArg
	Target string `arg:"" optional:"" help:"An address of this server; without it the catch-all ends."`
	reach
}

// Run is called by kong.
func (v *domainCatchAllVerb) Run(std streams) error {
	line := "domain %s has no catch-all\n"
	if v.Target != "" {
		line = "domain %s has a catch-all: " + v.Target + "\n"
	}
	return v.do(std, "domain/catch-all", admin.DomainQuery{Name: v.Name, CatchAll: v.Target}, line)
}

// domainListVerb is mailstead domain list.
type domainListVerb struct{ reach }

// Run is called by kong.
func (v *domainListVerb) Run(std streams) error {
	var list []admin.Domain
	if err := v.ask("domain/list", struct{}{}, &list); err != nil {
		return err
	}
	return v.tell(std, list, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "DOMAIN\tCATCH-ALL")
		for _, d := range list {
			fmt.Fprintf(w, "%s\t%s\n", d.Name, orDash(d.CatchAll))
		}
	})
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
