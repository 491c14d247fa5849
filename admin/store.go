package admin

import (
	"context"
	"net/http"
	"time"

	"mailstead/storage"
)

// Space is what the store takes on the disk, in bytes where nothing else is
// said.
type Space struct {
	Segments    int       `json:"segments"`    // files of the log
	Log         int64     `json:"log"`         // bytes of these
	Dead        int64     `json:"dead"`        // of the log: what nobody has any more
	Reclaimable int64     `json:"reclaimable"` // of Dead: what compact gives back without --all
	BigFiles    int       `json:"big_files"`   // messages that have a file of their own
	BigBytes    int64     `json:"big_bytes"`
	Index       int64     `json:"index"`
	IndexFree   int64     `json:"index_free"`
	Checkpoints int       `json:"checkpoints"`
	Checkpoint  time.Time `json:"checkpoint,omitzero"` // when the newest was written
	Expunged    int64     `json:"expunged"`            // messages that can be brought back
	ExpungedIn  int64     `json:"expunged_bytes"`      // bytes of these
	Text        int64     `json:"text_index"`          // bytes of the index that searches use
}

// CompactQuery says how to compact.
type CompactQuery struct {
	All  bool  `json:"all,omitempty"`  // every dead byte
	Rate int64 `json:"rate,omitempty"` // bytes a second, 0: no bound
}

// CompactReport is what a compaction came to.
type CompactReport struct {
	Segments int   `json:"segments"` // removed
	Freed    int64 `json:"freed"`    // bytes of the log
	Moved    int64 `json:"moved"`    // bytes copied for that
	Index    int64 `json:"index"`    // bytes that the index became smaller
	Kept     int   `json:"kept"`     // segments left although dead: a message in each is damaged
	Space    Space `json:"space"`    // afterwards
}

// addStore adds the operations on the store as a whole.
func (s *Service) addStore(add func(string, http.HandlerFunc)) {
	add("space", answer(s.Space))
	add("mend", answer(s.Mend))
	add("compact", inParts(s.compact))
	add("undelete/list", inParts(s.listExpunged))
	add("undelete/restore", inParts(s.undelete))
	add("undelete/purge", inParts(s.purge))
}

// Space tells what the store takes on the disk.
func (s *Service) Space(context.Context, struct{}) (Space, error) {
	sp, err := s.o.Store.Space()
	return Space{Segments: sp.Segments, Log: sp.Bytes, Dead: sp.Dead(), Reclaimable: sp.Worth, BigFiles: sp.BigFiles, BigBytes: sp.BigBytes, Index: sp.Index, IndexFree: sp.IndexFree,
		Checkpoints: sp.Checkpoints, Checkpoint: sp.Checkpoint, Expunged: sp.Kept, ExpungedIn: sp.KeptBytes, Text: sp.Text}, err
}

// compact gives dead space back to the disk.
func (s *Service) compact(ctx context.Context, q CompactQuery, t teller) (CompactReport, error) {
	res, err := s.o.Store.Compact(ctx, storage.CompactOptions{All: q.All, Rate: q.Rate, Progress: func(done, total int64) { t.progress(Progress{done, total}) }})
	out := CompactReport{Segments: res.Segments, Freed: res.Freed, Moved: res.Moved, Index: res.Index, Kept: res.Kept}
	if err != nil {
		return out, err
	}
	s.log.Info("store compacted", "segments", res.Segments, "freed", res.Freed, "index", res.Index, "kept", res.Kept)
	out.Space, err = s.Space(ctx, struct{}{})
	return out, err
}

// Mend makes what a check can't: mailboxes of accounts that have none, and a
// checkpoint, so that what was saved of a damaged log is the truth from now on.
func (s *Service) Mend(ctx context.Context, _ struct{}) (Space, error) {
	if err := s.Repair(ctx); err != nil {
		return Space{}, err
	}
	if err := s.o.Store.Checkpoint(ctx); err != nil {
		return Space{}, err
	}
	return s.Space(ctx, struct{}{})
}
