// Package netd listens: it accepts connections within limits per address and
// in total, ends them on shutdown, and holds the certificate that TLS shows. It
// knows no protocol. The front doors and main import it.
package netd
