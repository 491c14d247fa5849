// Package interop has only tests: programs that people use against our servers,
// over loopback with real TLS. A program that is not installed skips its test,
// unless MAILSTEAD_INTEROP is set: then that is a failure (.ci/run sets it).
package interop
