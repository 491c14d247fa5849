package backup

import (
	"io"
	"sync"
	"time"

	"mailstead/internal/durable"
)

// defaultKeep is how many generations are kept.
const defaultKeep = 7

// Options of Make. The zero value works.
type Options struct {
	// Keep is how many generations stay, with the new one; 0 means 7. The newest
	// complete one always does.
	Keep int
	// Link links sealed message files instead of copying them, which costs no
	// space and protects from deletion only: a damaged sector damages both.
	Link bool
	// Recheck reads what the backup has already and copies again what is not as
	// it was.
	Recheck bool
	// Rate bounds what is copied, in bytes a second; 0 is no bound.
	Rate    int64
	Version string // of the program
	// Extra are files beside the store, written at the moment the generation is
	// of.
	Extra []Extra
	// Still is held at that moment; nil: nothing is.
	Still sync.Locker
	// Progress is called often, by the goroutine of Make. Nil: not.
	Progress func(Progress)
	// FS is where the backup is written; nil means the real file system.
	FS durable.FS
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Extra is a file that is not the store's.
type Extra struct {
	Name  string // in the generation, with "/"
	Write func(io.Writer) error
}

// Progress tells how far a run is, in bytes.
type Progress struct {
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
}

// Result is what Make did.
type Result struct {
	*Manifest
	CopiedFiles int
	Copied      int64 // bytes written, but for the manifest
	Linked      int64 // bytes of files that were linked
	Removed     []string
}

func (o *Options) defaults() {
	if o.Keep <= 0 {
		o.Keep = defaultKeep
	}
	if o.FS == nil {
		o.FS = durable.OS{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}
