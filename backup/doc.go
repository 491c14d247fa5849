// Package backup owns backups of a whole server in a directory: how they are
// made while it runs (Make), proved (Verify), opened to read from (Open) and
// brought back (Restore).
//
// A backup is generations: each is the server at one moment, a directory with
// a checkpoint of the store, accounts.db and a manifest. Message files lie
// beside them and are shared, since they never change; the segment that was
// being written grows, and a generation has the beginning of it. A generation
// without a whole manifest does not exist, and no file that a manifest names is
// ever changed within the bytes it names. So whatever ends a run, earlier
// generations stay good, and the next run goes on where it ended.
//
// It knows the store only as storage.Held lists it. It never changes what it
// backs up. Imported by admin and cmd/mailstead.
package backup
