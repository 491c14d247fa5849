// Package smtpd is described by its owner.
package smtpd
