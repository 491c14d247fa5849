// Package archtest holds the house rules that a machine can check: which
// package may import which (the layers of ARCHITECTURE.md), how long files and
// functions may be, that every exported name is documented, and that nothing
// keeps state at package level. It has tests only and is imported by nobody.
package archtest
