package imapd

import (
	"context"

	"mailstead/imapd/wire"
)

// states is the set of session states a command is allowed in (RFC 9051 §3).
type states uint8

const (
	notAuthenticated states = 1 << iota
	authenticated
	selected

	anyState = notAuthenticated | authenticated | selected
	loggedIn = authenticated | selected
)

// command is one row of the table of commands.
type command struct {
	states states
	run    func(*session, context.Context, *wire.Command) (reply, error)
	// keepNumbers: sequence numbers must not change while it runs (RFC 9051
	// §7.5.1), unless it is the UID form.
	keepNumbers bool
	// quiet: nothing is announced at its end.
	quiet bool
}

// commands are all that a client can ask for.
var commands = map[string]command{
	"CAPABILITY": {states: anyState, run: (*session).capability},
	"NOOP":       {states: anyState, run: (*session).noop},
	"LOGOUT":     {states: anyState, run: (*session).logout, quiet: true},
	"ID":         {states: anyState, run: (*session).id},

	"STARTTLS":     {states: notAuthenticated, run: (*session).startTLS},
	"AUTHENTICATE": {states: notAuthenticated, run: (*session).authenticate},
	"LOGIN":        {states: notAuthenticated, run: (*session).login},

	"ENABLE":      {states: authenticated, run: (*session).enable},
	"SELECT":      {states: loggedIn, run: (*session).selectRW, quiet: true},
	"EXAMINE":     {states: loggedIn, run: (*session).examine, quiet: true},
	"CREATE":      {states: loggedIn, run: (*session).create},
	"DELETE":      {states: loggedIn, run: (*session).deleteMailbox},
	"RENAME":      {states: loggedIn, run: (*session).rename},
	"SUBSCRIBE":   {states: loggedIn, run: (*session).subscribe},
	"UNSUBSCRIBE": {states: loggedIn, run: (*session).unsubscribe},
	"LIST":        {states: loggedIn, run: (*session).list},
	"LSUB":        {states: loggedIn, run: (*session).lsub},
	"NAMESPACE":   {states: loggedIn, run: (*session).namespace},
	"SETACL":      {states: loggedIn, run: (*session).setACL},
	"DELETEACL":   {states: loggedIn, run: (*session).deleteACL},
	"GETACL":      {states: loggedIn, run: (*session).getACL},
	"LISTRIGHTS":  {states: loggedIn, run: (*session).listRights},
	"MYRIGHTS":    {states: loggedIn, run: (*session).myRights},
	"STATUS":      {states: loggedIn, run: (*session).status},
	"ESEARCH":     {states: loggedIn, run: (*session).multiSearch, keepNumbers: true},
	"APPEND":      {states: loggedIn, run: (*session).append},
	"IDLE":        {states: loggedIn, run: (*session).idle},

	"GETMETADATA":  {states: loggedIn, run: (*session).getMetadata},
	"SETMETADATA":  {states: loggedIn, run: (*session).setMetadata},
	"NOTIFY":       {states: loggedIn, run: (*session).notify},
	"GETQUOTA":     {states: loggedIn, run: (*session).getQuota},
	"GETQUOTAROOT": {states: loggedIn, run: (*session).getQuotaRoot},
	"SETQUOTA":     {states: loggedIn, run: (*session).setQuota},

	"COMPRESS": {states: loggedIn, run: (*session).compress},

	"UNAUTHENTICATE": {states: loggedIn, run: (*session).unauthenticate, quiet: true},

	"CHECK":        {states: selected, run: (*session).noop},
	"CLOSE":        {states: selected, run: (*session).closeMailbox, quiet: true},
	"UNSELECT":     {states: selected, run: (*session).unselect, quiet: true},
	"UIDBATCHES":   {states: selected, run: (*session).uidBatches},
	"EXPUNGE":      {states: selected, run: (*session).expunge},
	"SEARCH":       {states: selected, run: (*session).search, keepNumbers: true},
	"SORT":         {states: selected, run: (*session).sort, keepNumbers: true},
	"THREAD":       {states: selected, run: (*session).thread, keepNumbers: true},
	"CANCELUPDATE": {states: selected, run: (*session).cancelUpdate},
	"FETCH":        {states: selected, run: (*session).fetch, keepNumbers: true},
	"STORE":        {states: selected, run: (*session).store, keepNumbers: true},
	"COPY":         {states: selected, run: (*session).copy},
	"MOVE":         {states: selected, run: (*session).move},
	"REPLACE":      {states: selected, run: (*session).replace},
}
