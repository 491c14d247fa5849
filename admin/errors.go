package admin

import (
	"context"
	"errors"
	"net/http"

	"mailstead/accounts"
	"mailstead/storage"
	"mailstead/transfer"
)

// Code says what kind of error an operation ended with.
type Code string

// The codes of errors.
const (
	NotFound    Code = "not_found"   // what was named does not exist
	Exists      Code = "exists"      // it exists already
	InUse       Code = "in_use"      // something else depends on it
	Invalid     Code = "invalid"     // the question is not well-formed
	Limit       Code = "limit"       // too many of something
	Unavailable Code = "unavailable" // full disk, stopping server: try later
	Internal    Code = "internal"    // a fault of the disk or the program
)

// Error is how an operation failed, on either side of the socket.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// statuses are the HTTP statuses of codes.
var statuses = map[Code]int{NotFound: http.StatusNotFound, Exists: http.StatusConflict, InUse: http.StatusConflict, Invalid: http.StatusBadRequest,
	Limit: http.StatusUnprocessableEntity, Unavailable: http.StatusServiceUnavailable, Internal: http.StatusInternalServerError}

// kinds maps the errors of the packages below to codes.
var kinds = []struct {
	err  error
	code Code
}{
	{accounts.ErrNotFound, NotFound}, {accounts.ErrUnknownAddress, NotFound}, {accounts.ErrNotLocal, NotFound}, {accounts.ErrExists, Exists},
	{accounts.ErrInUse, InUse}, {accounts.ErrInvalid, Invalid}, {accounts.ErrBadPassword, Invalid}, {accounts.ErrAliasLoop, Invalid},
	{accounts.ErrLimit, Limit}, {accounts.ErrClosed, Unavailable},
	{storage.ErrNoAccount, NotFound}, {storage.ErrNoMailbox, NotFound}, {storage.ErrExists, Exists}, {storage.ErrNoSpace, Unavailable},
	{storage.ErrOverQuota, Limit}, {storage.ErrLimit, Limit}, {storage.ErrBadName, Invalid}, {transfer.ErrMessage, Invalid},
	{storage.ErrNoMessage, NotFound}, {transfer.ErrNoMailbox, NotFound}, {storage.ErrClosed, Unavailable}, {context.Canceled, Unavailable}, {context.DeadlineExceeded, Unavailable},
}

// AsError gives any error its code.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return &Error{k.code, err.Error()}
		}
	}
	return &Error{Internal, err.Error()}
}
