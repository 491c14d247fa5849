package config

import (
	_ "embed"
	"strconv"
	"strings"
	"text/template"
)

//go:embed example.toml.tmpl
var exampleText string

// Values are what a new configuration needs to be told.
type Values struct{ Hostname, DataDir, CertFile, KeyFile string }

// Example is a config.toml that documents every key, with the values filled in.
func Example(v Values) string {
	var b strings.Builder
	t := template.Must(template.New("").Funcs(template.FuncMap{"quote": strconv.Quote}).Parse(exampleText))
	if err := t.Execute(&b, v); err != nil {
		panic(err) // the template is ours
	}
	return b.String()
}
