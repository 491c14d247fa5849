package archtest

import (
	"strings"
	"testing"
)

// rows is the diagram of ARCHITECTURE.md: a package imports only rows below
// its own.
var rows = map[string]int{
	"cmd/mailstead":                 7,
	"cmd/mailstead/internal/config": 6,
	"smtpd":                         5,
	"imapd":                         5,
	"pop3d":                         5,
	"admin":                         5,
	"delivery":                      4,
	"transfer":                      3,
	"backup":                        3,
	"storage":                       2,
	"accounts":                      2,
	"mail":                          1,
	"sasl":                          1,
	"internal/netd":                 1,
	"internal/durable":              0,
	"internal/inflate":              0,
	"internal/spool":                1,
	"textindex":                     1,
	"internal/logkey":               0,
}

// private packages serve one importer only, and stand just below it.
var private = map[string]string{
	"imapd/wire":                    "imapd",
	"cmd/mailstead/internal/config": "cmd/mailstead",
}

// forbidden lists imports that the rows would allow but the design does not.
var forbidden = map[string][]string{
	"smtpd": {"storage", "accounts"},
}

// testOnly packages are never part of the binary.
var testOnly = map[string]bool{
	"storage/storagetest": true,
	"internal/mailtest":   true,
	"sasl/sasltest":       true,
	"internal/archtest":   true,
	"internal/faultfs":    true,
}

// outside names the trees that stand beside the layers: they drive the built
// binary over the wire, and import nothing of the module but their own tree.
var outside = []string{"interop", "bench"}

// libraries that only some packages may use.
var libraries = map[string][]string{
	"github.com/emersion/go-smtp":    {"smtpd"},
	"github.com/emersion/go-imap/v2": {"imapd", "imapd/wire"},
	"go.etcd.io/bbolt":               {"storage", "accounts"},
	"github.com/BurntSushi/toml":     {"cmd/mailstead/internal/config"},
	"github.com/alecthomas/kong":     {"cmd/mailstead", "bench"},
	"github.com/xdg-go/scram":        {"sasl", "sasl/sasltest"},
}

func TestImportsGoDownTheLayers(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if s.test || testOnly[s.pkg] {
			continue
		}
		if _, ok := rowOf(s.pkg); !ok && treeOf(s.pkg) == "" {
			t.Errorf("%s: package %s is not in the table of layers", s.path, s.pkg)
			continue
		}
		for _, imp := range s.file.Imports {
			if problem := judge(s.pkg, strings.Trim(imp.Path.Value, `"`)); problem != "" {
				t.Errorf("%s:%d: %s", s.path, s.line(imp.Pos()), problem)
			}
		}
	}
}

// treeOf gives the tree outside the layers that a package is in, if any.
func treeOf(pkg string) string {
	for _, tree := range outside {
		if pkg == tree || strings.HasPrefix(pkg, tree+"/") {
			return tree
		}
	}
	return ""
}

// rowOf gives a package's row.
func rowOf(pkg string) (int, bool) {
	if owner, ok := private[pkg]; ok {
		row, ok := rows[owner]
		return row, ok
	}
	row, ok := rows[pkg]
	return row, ok
}

// judge tells what is wrong with pkg importing target, if anything.
func judge(pkg, target string) string {
	for lib, users := range libraries {
		if target == lib || strings.HasPrefix(target, lib+"/") {
			for _, u := range users {
				if u == pkg {
					return ""
				}
			}
			return target + " belongs to " + strings.Join(users, ", ") + " only"
		}
	}
	dep, ours := strings.CutPrefix(target, module+"/")
	switch {
	case !ours:
		return ""
	case testOnly[dep]:
		return dep + " is for tests only"
	case private[dep] != "":
		if private[dep] != pkg {
			return dep + " is private to " + private[dep]
		}
		return ""
	}
	if tree := treeOf(pkg); tree != "" {
		if treeOf(dep) == tree {
			return ""
		}
		return pkg + " must drive the binary, not import " + dep
	}
	for _, f := range forbidden[pkg] {
		if f == dep {
			return pkg + " must not know " + dep
		}
	}
	from, _ := rowOf(pkg)
	to, ok := rowOf(dep)
	if !ok || to >= from {
		return pkg + " imports " + dep + ", which is not below it"
	}
	return ""
}

func TestJudgeFindsWrongImports(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pkg, target string
		wrong             bool
	}{
		{"down", "delivery", "mailstead/storage", false},
		{"up", "storage", "mailstead/delivery", true},
		{"sideways", "imapd", "mailstead/smtpd", true},
		{"hidden", "smtpd", "mailstead/storage", true},
		{"private by owner", "imapd", "mailstead/imapd/wire", false},
		{"private by another", "pop3d", "mailstead/imapd/wire", true},
		{"library by owner", "smtpd", "github.com/emersion/go-smtp", false},
		{"library below its row", "storage", "github.com/emersion/go-imap/v2", true},
		{"beside the layers", "bench", "mailstead/bench/load", false},
		{"from beside into the layers", "bench/load", "mailstead/mail", true},
		{"from the layers to beside", "smtpd", "mailstead/bench/wire", true},
		{"test helper", "imapd", "mailstead/storage/storagetest", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := judge(tt.pkg, tt.target); (got != "") != tt.wrong {
				t.Errorf("judge(%q, %q): got %q, want a problem: %v", tt.pkg, tt.target, got, tt.wrong)
			}
		})
	}
}
