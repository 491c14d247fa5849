package storage

import (
	"context"
	"iter"

	"mailstead/mail"
)

func Open(dir string, opts Options) (*Store, error) { panic("unbuilt") }
func (s *Store) Close() error                       { panic("unbuilt") }
func (s *Store) CreateAccount(ctx context.Context, id mail.AccountID, name string) error {
	panic("unbuilt")
}
func (s *Store) RemoveAccount(ctx context.Context, id mail.AccountID) error { panic("unbuilt") }
func (s *Store) HasAccount(id mail.AccountID) (bool, error)                 { panic("unbuilt") }
func (s *Store) Usage(id mail.AccountID) (Usage, error)                     { panic("unbuilt") }
func (s *Store) Mailboxes(id mail.AccountID) ([]Mailbox, error)             { panic("unbuilt") }
func (s *Store) Subscriptions(id mail.AccountID) ([]string, error)          { panic("unbuilt") }
func (s *Store) Mailbox(id mail.AccountID, name string) (Mailbox, error)    { panic("unbuilt") }
func (s *Store) MailboxByID(ref Ref) (Mailbox, error)                       { panic("unbuilt") }
func (s *Store) CreateMailbox(ctx context.Context, id mail.AccountID, name string, use SpecialUse) (Mailbox, error) {
	panic("unbuilt")
}
func (s *Store) DeleteMailbox(ctx context.Context, id mail.AccountID, name string) error {
	panic("unbuilt")
}
func (s *Store) RenameMailbox(ctx context.Context, id mail.AccountID, from, to string) error {
	panic("unbuilt")
}
func (s *Store) Subscribe(ctx context.Context, id mail.AccountID, name string, on bool) error {
	panic("unbuilt")
}
func (s *Store) Append(ctx context.Context, body Body, targets ...Target) ([]Appended, error) {
	panic("unbuilt")
}
func (s *Store) AppendAll(ctx context.Context, msgs []Incoming) ([][]Appended, error) {
	panic("unbuilt")
}
func (s *Store) SetFlags(ctx context.Context, ref Ref, uids UIDSet, c FlagChange) (FlagResult, error) {
	panic("unbuilt")
}
func (s *Store) Copy(ctx context.Context, src Ref, uids UIDSet, dst Ref) (CopyResult, error) {
	panic("unbuilt")
}
func (s *Store) Move(ctx context.Context, src Ref, uids UIDSet, dst Ref) (CopyResult, error) {
	panic("unbuilt")
}

// Expunge removes messages; a nil set means all of the mailbox.
func (s *Store) Expunge(ctx context.Context, ref Ref, uids UIDSet, onlyDeleted bool) (UIDSet, ModSeq, error) {
	panic("unbuilt")
}
func (s *Store) Snapshot(ref Ref) (*Snapshot, error)                             { panic("unbuilt") }
func (s *Store) Rows(ref Ref, uids UIDSet, o ReadOptions) iter.Seq2[Row, error]  { panic("unbuilt") }
func (s *Store) Vanished(ref Ref, since ModSeq) (UIDSet, error)                  { panic("unbuilt") }
func (s *Store) OpenBody(ctx context.Context, ref Ref, uid UID) (Content, error) { panic("unbuilt") }
func (s *Store) OpenBlob(ctx context.Context, id BlobID) (Content, error)        { panic("unbuilt") }
func (s *Store) Search(ctx context.Context, ref Ref, q Query, o Order) iter.Seq2[Row, error] {
	panic("unbuilt")
}

// Wake is sent to when there is something to Take; it holds one signal.
func (f *Feed) Wake() <-chan struct{} { panic("unbuilt") }

// Take returns the events since the last Take. overflow tells that some were
// dropped: take a new Snapshot and compare.
func (f *Feed) Take() (events []Event, overflow bool) { panic("unbuilt") }

// Close ends the feed.
func (f *Feed) Close() { panic("unbuilt") }
