package storage_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mailstead/storage"
	"mailstead/storage/storagetest"
)

const killDir = "MAILSTEAD_TEST_KILL_DIR"

// TestMain runs a child of TestKillLosesNothing or of the tests of bit rot when
// asked to.
func TestMain(m *testing.M) {
	for name, child := range map[string]func(string) error{killDir: killChild, rotFile: rotChild} {
		if arg := os.Getenv(name); arg != "" {
			if err := child(arg); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	if err := setModelChecks(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// killed is what the child has told of one message.
type killed struct {
	steps []string // asked for
	did   int      // of them, acknowledged
	group []string // appended together
	read  bool     // has been found byte for byte
}

// places is where a message is after some steps.
func places(steps []string) string {
	at := map[string]string{}
	for _, s := range steps {
		switch s {
		case "append":
			at["1 INBOX"], at["2 INBOX"] = "", ""
		case "flag":
			at["1 INBOX"] = "\\Seen work"
		case "move":
			at["1 Archive"] = at["1 INBOX"]
			delete(at, "1 INBOX")
		case "copy":
			at["1 Archive"] = at["1 INBOX"]
		case "expunge":
			delete(at, "1 INBOX")
		}
	}
	return placeList(at)
}

func placeList(at map[string]string) string {
	var list []string
	for box, flags := range at {
		list = append(list, fmt.Sprintf("%s (%s)", box, flags))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// TestKillLosesNothing kills a working process again and again: the store opens
// by itself, is sound, every acknowledged change is there, and what was not
// acknowledged has happened whole or not at all. MAILSTEAD_CRASH_ROUNDS sets how
// often.
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
	known, told := map[string]*killed{}, 0
	for range rounds {
		told += killOnce(t, dir, known)
		verifyKilled(t, dir, known)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d changes acknowledged in %d rounds", told, rounds)
	if told < rounds {
		t.Errorf("only %d changes in %d rounds", told, rounds)
	}
}

// killOnce starts a child and kills it after a random time past its first
// acknowledgement. It gives how many there were.
func killOnce(t *testing.T, dir string, known map[string]*killed) (told int) {
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
		words := strings.Fields(sc.Text())
		for _, id := range words[2:] {
			k := known[id]
			if k == nil {
				k = &killed{group: words[2:]}
				known[id] = k
			}
			if words[0] == "ask" {
				k.steps = append(k.steps, words[1])
			} else {
				k.did++
				told++
			}
		}
		if timer == nil && told > 0 {
			timer = time.AfterFunc(rand.N(300*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
	}
	err = cmd.Wait()
	if timer == nil || cmd.ProcessState.Exited() {
		t.Fatalf("child ended by itself: %v", err)
	}
	return told
}

// verifyKilled compares what is in the store with what the child has told.
func verifyKilled(t *testing.T, dir string, known map[string]*killed) {
	t.Helper()
	s, err := openAgain(dir, killOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	storagetest.Verify(t, s)
	found := map[string]map[string]string{}
	for _, box := range []string{"1 INBOX", "1 Archive", "2 INBOX"} {
		findKilled(t, s, box, known, found)
	}
	done := map[string]int{} // steps
	for id, k := range known {
		at := placeList(found[id])
		for done[id] = len(k.steps); done[id] >= k.did && places(k.steps[:done[id]]) != at; done[id]-- {
		}
		if done[id] < k.did {
			t.Errorf("%s: found in %q after %v, of which %d were acknowledged", id, at, k.steps, k.did)
		}
	}
	for id, k := range known {
		if done[id] != done[k.group[0]] {
			t.Errorf("%v: %d steps done to the first, %d to %s", k.group, done[k.group[0]], done[id], id)
		}
	}
	if t.Failed() {
		return
	}
	for id, k := range known {
		if k.steps, k.did = k.steps[:done[id]], done[id]; k.did == 0 {
			delete(known, id)
		}
	}
	if len(known) > 3000 {
		forgetKilled(t, s, known)
	}
}

// findKilled notes what one mailbox has, and reads what was not read before.
func findKilled(t *testing.T, s *storage.Store, box string, known map[string]*killed, found map[string]map[string]string) {
	t.Helper()
	account, name, _ := strings.Cut(box, " ")
	ref := named(t, s, 1, name)
	if account == "2" {
		ref = named(t, s, 2, name)
	}
	for r, err := range s.Rows(ref, storage.UIDSet{{First: 1, Last: 1<<32 - 1}}, storage.ReadOptions{Message: true}) {
		if err != nil {
			t.Fatal(err)
		}
		id := r.Message.Envelope.Subject
		k := known[id]
		if k == nil {
			t.Errorf("message %s in %s was not asked for, or was gone", id, box)
			continue
		}
		if found[id] == nil {
			found[id] = map[string]string{}
		}
		if _, twice := found[id][box]; twice {
			t.Errorf("message %s twice in %s", id, box)
		}
		found[id][box] = ""
		if r.Flags == storage.Seen {
			found[id][box] = `\Seen ` + strings.Join(r.Keywords, " ")
		} else if r.Flags != 0 || len(r.Keywords) > 0 {
			found[id][box] = fmt.Sprint(r.Flags, r.Keywords)
		}
		if !k.read && read(t, s, ref, r.UID) != killText(id) {
			t.Errorf("message %s has another text", id)
		}
		k.read = true
	}
}

// forgetKilled removes everything, so that a long test stays a quick one.
func forgetKilled(t *testing.T, s *storage.Store, known map[string]*killed) {
	t.Helper()
	for _, ref := range []storage.Ref{named(t, s, 1, "INBOX"), named(t, s, 1, "Archive"), named(t, s, 2, "INBOX")} {
		if _, _, err := s.Expunge(t.Context(), ref, nil, false); err != nil {
			t.Fatal(err)
		}
	}
	clear(known)
}
