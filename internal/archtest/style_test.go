package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"strings"
	"testing"
)

// Limits of the house style. Test files may be longer, but not much.
const (
	maxFileLines     = 500
	maxTestFileLines = 800
	maxFuncLines     = 80
)

func TestFilesAndFunctionsAreShort(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		limit := maxFileLines
		if s.test {
			limit = maxTestFileLines
		}
		if s.lines > limit {
			t.Errorf("%s: %d lines, want at most %d", s.path, s.lines, limit)
		}
		for _, d := range s.file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || s.test {
				continue
			}
			if n := s.line(fn.End()) - s.line(fn.Pos()) + 1; n > maxFuncLines {
				t.Errorf("%s:%d: %s has %d lines, want at most %d", s.path, s.line(fn.Pos()), fn.Name.Name, n, maxFuncLines)
			}
		}
	}
}

func TestFilesAreNamedForWhatTheyHold(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		switch strings.TrimSuffix(path.Base(s.path), ".go") {
		case "util", "utils", "common", "helper", "helpers", "types", "misc":
			t.Errorf("%s: name the file for the noun or command inside", s.path)
		}
	}
}

func TestEveryPackageIsDescribed(t *testing.T) {
	t.Parallel()
	described := map[string]bool{}
	for _, s := range sources(t) {
		if s.file.Doc != nil && len(s.file.Doc.Text()) > 40 {
			described[s.pkg] = true
		} else if !described[s.pkg] {
			described[s.pkg] = false
		}
	}
	for pkg, ok := range described {
		if !ok {
			t.Errorf("%s: no package comment", pkg)
		}
	}
}

func TestExportedNamesAreDescribed(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s:%d: exported %s has no comment", s.path, s.line(d.Pos()), name)
			}
		}
	}
}

// undocumented lists the exported names of a declaration that have no comment
// of their own nor one for their group.
func undocumented(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		if d.Doc != nil || d.Tok == token.IMPORT {
			return nil
		}
		var names []string
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && spec.Doc == nil && spec.Comment == nil {
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					if n.IsExported() && spec.Doc == nil && spec.Comment == nil {
						names = append(names, n.Name)
					}
				}
			}
		}
		return names
	}
	return nil
}

// exportedReceiver tells whether a method's type is visible outside (functions
// count as visible).
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

func TestNoInitAndNoPackageState(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "init" && d.Recv == nil {
					t.Errorf("%s:%d: init() hides when things happen", s.path, s.line(d.Pos()))
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR {
					checkVar(t, s, d)
				}
			}
		}
	}
}

// checkVar refuses package-level variables without a value: they can only be
// meant to change.
func checkVar(t *testing.T, s source, d *ast.GenDecl) {
	t.Helper()
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		if len(v.Values) == 0 && !embedded(d, v) {
			t.Errorf("%s:%d: package-level variable %s without a value is mutable state", s.path, s.line(v.Pos()), v.Names[0].Name)
		}
	}
}

// embedded tells whether a variable is filled by go:embed.
func embedded(d *ast.GenDecl, v *ast.ValueSpec) bool {
	for _, g := range []*ast.CommentGroup{d.Doc, v.Doc} {
		if g == nil {
			continue
		}
		for _, c := range g.List {
			if strings.HasPrefix(c.Text, "//go:embed ") {
				return true
			}
		}
	}
	return false
}

func TestExitOnlyInMain(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test || s.path == "cmd/mailstead/main.go" || s.path == "bench/main.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "os" && sel.Sel.Name == "Exit" {
				t.Errorf("%s:%d: os.Exit outside of main.go skips deferred closes", s.path, s.line(sel.Pos()))
			}
			return true
		})
	}
}

func TestTestsDoNotSleep(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if !s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && sel.Sel.Name == "Sleep" {
				t.Errorf("%s:%d: wait for the event, not for time to pass", s.path, s.line(sel.Pos()))
			}
			return true
		})
	}
}
