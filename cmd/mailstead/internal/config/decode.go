package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Problem is one thing wrong in a file.
type Problem struct {
	File string
	Line int    // 0: of the file as a whole
	Key  string // dotted; empty for a syntax error
	Text string
}

// String is one line: file, line, key, what is wrong.
func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
	}
	if p.Key != "" {
		s += ": " + p.Key
	}
	return s + ": " + p.Text
}

// Problems is everything wrong in a file, in the order of its lines.
type Problems []Problem

// Error implements error, one line for each problem.
func (p Problems) Error() string {
	var lines []string
	for _, one := range p {
		lines = append(lines, one.String())
	}
	return strings.Join(lines, "\n")
}

// decoder gathers problems.
type decoder struct {
	file  string
	lines map[string]int
	found Problems
}

func (d *decoder) problem(key, format string, args ...any) {
	d.found = append(d.found, Problem{d.file, d.line(key), key, fmt.Sprintf(format, args...)})
}

// line is where a key stands, or the nearest table around it.
func (d *decoder) line(key string) int {
	for {
		if n, ok := d.lines[key]; ok {
			return n
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return 0
		}
		key = key[:i]
	}
}

// Decode reads the text of a file. What is missing has its default. The error
// is Problems.
func Decode(file, text string) (*Config, error) {
	var raw map[string]any
	if _, err := toml.Decode(text, &raw); err != nil {
		p := Problem{File: file, Text: err.Error()}
		if pe, ok := errors.AsType[toml.ParseError](err); ok {
			p.Line, p.Key, p.Text = pe.Position.Line, pe.LastKey, pe.Message
		}
		return nil, Problems{p}
	}
	c, d := Default(), &decoder{file: file, lines: keyLines(text)}
	d.table("", raw, reflect.ValueOf(&c).Elem())
	d.validate(&c)
	if len(d.found) > 0 {
		slices.SortStableFunc(d.found, func(a, b Problem) int { return a.Line - b.Line })
		return nil, d.found
	}
	base := filepath.Dir(file)
	for _, p := range []*string{&c.DataDir, &c.TLS.CertFile, &c.TLS.KeyFile} {
		if !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
	return &c, nil
}

// table sets the fields of a struct from a TOML table.
func (d *decoder) table(prefix string, raw map[string]any, v reflect.Value) {
	fields := fieldsOf(v)
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		full := prefix + key
		f, ok := fields[key]
		if !ok {
			d.problem(full, "no such key%s", suggestion(key, fields))
			continue
		}
		if f.Kind() == reflect.Struct {
			if sub, ok := raw[key].(map[string]any); ok {
				d.table(full+".", sub, f)
			} else {
				d.problem(full, "is a table, write [%s]", full)
			}
			continue
		}
		d.value(full, raw[key], f)
	}
}

// fieldsOf maps keys to fields, those of embedded structs included.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Anonymous {
			maps.Copy(out, fieldsOf(v.Field(i)))
		} else {
			out[f.Tag.Get("toml")] = v.Field(i)
		}
	}
	return out
}

// value sets one field.
func (d *decoder) value(key string, raw any, f reflect.Value) {
	if u, ok := f.Addr().Interface().(encoding.TextUnmarshaler); ok {
		s, ok := raw.(string)
		if n, isInt := raw.(int64); isInt && f.Type() == reflect.TypeFor[Size]() {
			s, ok = fmt.Sprint(n), true
		}
		if !ok {
			s = fmt.Sprint(raw)
		}
		if err := u.UnmarshalText([]byte(s)); err != nil {
			d.problem(key, "%s", err)
		}
		return
	}
	switch raw := raw.(type) {
	case string:
		if f.Kind() == reflect.String {
			f.SetString(raw)
			return
		}
	case bool:
		if f.Kind() == reflect.Bool {
			f.SetBool(raw)
			return
		}
	case int64:
		if f.Kind() == reflect.Int {
			f.SetInt(raw)
			return
		}
	case []any:
		if f.Kind() == reflect.Slice {
			d.list(key, raw, f)
			return
		}
	}
	d.problem(key, "must be %s (got %v)", describe(f), raw)
}

func (d *decoder) list(key string, raw []any, f reflect.Value) {
	list := []string{}
	for _, e := range raw {
		s, ok := e.(string)
		if !ok {
			d.problem(key, "must be %s (got %v in it)", describe(f), e)
			return
		}
		list = append(list, s)
	}
	f.Set(reflect.ValueOf(list))
}

func describe(f reflect.Value) string {
	switch f.Kind() {
	case reflect.String:
		return "a text in quotes"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	}
	return "a list of texts in quotes"
}

// suggestion is a key that may have been meant.
func suggestion(key string, fields map[string]reflect.Value) string {
	norm := func(s string) string { return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s)) }
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if a, b := norm(key), norm(name); a == b || strings.HasPrefix(b, a) || strings.HasPrefix(a, b) {
			return fmt.Sprintf("; did you mean %q?", name)
		}
	}
	return ""
}

// keyLines tells on which line each key of a TOML text stands that decodes. It
// knows tables and bare or quoted keys, one to a line, as people write them.
func keyLines(text string) map[string]int {
	lines := map[string]int{}
	prefix := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			if end := strings.IndexByte(line, ']'); end > 0 && !strings.ContainsAny(line[:end], `",:`) {
				prefix = strings.ReplaceAll(strings.Trim(line[:end], "[ "), " ", "")
				note(lines, prefix, i+1)
				prefix += "."
			}
			continue
		}
		key, _, ok := strings.Cut(line, "=")
		if key = strings.Trim(strings.TrimSpace(key), `"'`); !ok || key == "" || strings.HasPrefix(key, "#") {
			continue
		}
		note(lines, prefix+key, i+1)
	}
	return lines
}

// note sets the line of a key and of the tables around it that have none yet.
func note(lines map[string]int, key string, line int) {
	for i := range len(key) + 1 {
		if i < len(key) && key[i] != '.' {
			continue
		}
		if _, again := lines[key[:i]]; !again {
			lines[key[:i]] = line
		}
	}
}
