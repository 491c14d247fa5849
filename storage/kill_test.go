package storage_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

const killDir = "MAILSTEAD_TEST_KILL_DIR"

// TestMain runs the child of TestKillLosesNothing when asked to.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		if err := killChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := setModelChecks(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// killChild works on the store with all its strength until it is killed, and
// tells each message that was acknowledged.
func killChild(dir string) error {
	ctx := context.Background()
	s, err := storage.Open(dir, storage.Options{SegmentSize: 300_000})
	if err != nil {
		return err
	}
	if ok, err := s.HasAccount(1); err != nil || !ok {
		if err := s.CreateAccount(ctx, 1, "user"); err != nil {
			return err
		}
	}
	inbox, err := s.Mailbox(1, "INBOX")
	if err != nil {
		return err
	}
	archive, err := s.Mailbox(1, "Archive")
	if err != nil {
		return err
	}
	in, out := storage.Ref{Account: 1, Mailbox: inbox.ID}, storage.Ref{Account: 1, Mailbox: archive.ID}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d.%d.%d", os.Getpid(), w, i)
				body := "Message-ID: <" + id + "@x>\r\nSubject: " + id + "\r\n\r\n" + strings.Repeat(id+"\r\n", rand.IntN(500))
				a, err := s.Append(ctx, strings.NewReader(body), storage.Target{Ref: in})
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				os.Stdout.WriteString("ack " + id + "\n") // one write, so that lines stay whole
				uids := storage.UIDs(a[0].UID)
				switch i % 4 {
				case 0:
					_, err = s.SetFlags(ctx, in, uids, storage.FlagChange{Flags: storage.Seen, Keywords: []string{"w" + strconv.Itoa(w)}})
				case 1:
					_, err = s.Move(ctx, in, uids, out)
				case 2:
					_, err = s.Copy(ctx, in, uids, out)
					if err == nil {
						_, _, err = s.Expunge(ctx, in, uids, false)
					}
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// TestKillLosesNothing kills a working process again and again: the store opens
// by itself, is sound, and holds every acknowledged message exactly once.
// MAILSTEAD_CRASH_ROUNDS sets how often.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	rounds := 5
	if v := os.Getenv("MAILSTEAD_CRASH_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	dir := t.TempDir()
	acked := map[string]bool{}
	for range rounds {
		killOnce(t, dir, acked)
		verifyAcked(t, dir, acked)
	}
	t.Logf("%d messages acknowledged in %d rounds", len(acked), rounds)
	if len(acked) < rounds {
		t.Errorf("only %d messages in %d rounds", len(acked), rounds)
	}
}

// killOnce starts a child and kills it after a random time past its first
// acknowledgement.
func killOnce(t *testing.T, dir string, acked map[string]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), killDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var timer *time.Timer
	for sc := bufio.NewScanner(out); sc.Scan(); {
		if timer == nil {
			timer = time.AfterFunc(rand.N(300*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
		if id, ok := strings.CutPrefix(sc.Text(), "ack "); ok {
			acked[id] = true
		}
	}
	err = cmd.Wait()
	if timer == nil || cmd.ProcessState.Exited() {
		t.Fatalf("child ended by itself: %v", err)
	}
}

func verifyAcked(t *testing.T, dir string, acked map[string]bool) {
	t.Helper()
	s, err := storage.Open(dir, storage.Options{SegmentSize: 300_000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	storagetest.Verify(t, s)
	found := map[string]int{}
	for _, name := range []string{"INBOX", "Archive"} {
		ref := named(t, s, 1, name)
		here := map[string]bool{}
		for r, err := range s.Rows(ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{Message: true}) {
			if err != nil {
				t.Fatal(err)
			}
			id := r.Message.Envelope.Subject
			if here[id] {
				t.Errorf("message %s twice in %s", id, name)
			}
			here[id] = true
			found[id]++
		}
	}
	for id := range acked {
		if found[id] == 0 {
			t.Errorf("acknowledged message %s is lost", id)
		}
	}
}
