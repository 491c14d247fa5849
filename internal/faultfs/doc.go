// Package faultfs is a durable.FS for tests, over real files in one directory.
// It counts operations, makes chosen ones fail, tears writes, and knows what
// was synced: CrashClone writes the directory as a disk could show it after a
// power cut at that moment.
//
// What it is strict about, as POSIX allows: bytes are safe only after Datasync
// of their file, names only after SyncDir of their directory; unsynced writes
// arrive in any order, in sectors of 512 bytes; a size may arrive without its
// bytes (zeros); after a failed Datasync the bytes are in doubt for good, even
// if the next one succeeds. Directories count as safe once made.
//
// Files that are written behind its back are not in a clone, unless they were
// there when New was called or are opened through it later. Reads of a bbolt
// database go through its memory map and can't be made to fail. Only tests may
// import it. Everything is safe for concurrent use.
package faultfs
