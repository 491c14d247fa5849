package imapd

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mailstead/storage"
)

// numbersOf reads a set as it stands.
func numbersOf(t testing.TB, set string) (list []int) {
	t.Helper()
	if set == "" {
		return nil
	}
	for r := range strings.SplitSeq(set, ",") {
		first, last, isRange := strings.Cut(r, ":")
		a, err := strconv.Atoi(first)
		if err != nil {
			t.Fatalf("set %q: %v", set, err)
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(last); err != nil {
				t.Fatalf("set %q: %v", set, err)
			}
		}
		for ; a <= b; a++ {
			list = append(list, a)
		}
	}
	return list
}

var (
	updateLine = regexp.MustCompile(`^\* ESEARCH \(TAG "([^"]+)"\)(?: UID)?((?: (?:ADDTO|REMOVEFROM) \([^)]*\))+)$`)
	updateItem = regexp.MustCompile(`(ADDTO|REMOVEFROM) \(([^)]*)\)`)
	allLine    = regexp.MustCompile(`^\* ESEARCH \(TAG "[^"]+"\)(?: UID)?(?: ALL (\S+))?$`)
)

// follower keeps results as a client does (RFC 5267 §4.3).
type follower struct {
	t     testing.TB
	lists map[string][]int
	seqs  map[string]bool // by sequence numbers
}

// hear takes in a response.
func (f *follower) hear(line string) {
	f.t.Helper()
	var n int
	if _, err := fmt.Sscanf(line, "* %d EXPUNGE", &n); err == nil && strings.HasSuffix(line, "EXPUNGE") {
		for tag := range f.seqs {
			l := f.lists[tag]
			if slices.Contains(l, n) {
				f.t.Fatalf("%s: message %d was expunged but not removed", tag, n)
			}
			for i := range l {
				if l[i] > n {
					l[i]--
				}
			}
		}
		return
	}
	m := updateLine.FindStringSubmatch(line)
	if m == nil {
		return
	}
	for _, item := range updateItem.FindAllStringSubmatch(m[2], -1) {
		w := strings.Fields(item[2])
		for i := 0; i < len(w); i += 2 {
			at, err := strconv.Atoi(w[i])
			if err != nil {
				f.t.Fatal(err)
			}
			f.apply(m[1], item[1], at, numbersOf(f.t, w[i+1]))
		}
	}
}

func (f *follower) apply(tag, word string, at int, uids []int) {
	f.t.Helper()
	l := f.lists[tag]
	switch {
	case word == "ADDTO" && at == 0:
		l = append(l, uids...)
		slices.Sort(l)
	case word == "ADDTO":
		l = slices.Insert(l, at-1, uids...)
	case at == 0:
		for _, u := range uids {
			i := slices.Index(l, u)
			if i < 0 {
				f.t.Fatalf("%s: %d is removed but not in %v", tag, u, l)
			}
			l = slices.Delete(l, i, i+1)
		}
	default:
		if got := l[at-1 : at-1+len(uids)]; !slices.Equal(got, uids) {
			f.t.Fatalf("%s: %v at %d is removed, but there is %v", tag, uids, at, got)
		}
		l = slices.Delete(l, at-1, at-1+len(uids))
	}
	f.lists[tag] = l
}

// TestContextsFollowEveryChange has a client keep results by what it is told,
// and compares them with new searches.
func TestContextsFollowEveryChange(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			followChanges(t, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func followChanges(t *testing.T, r *rand.Rand) {
	s := newSuite(t)
	s.fill("INBOX", 8)
	sc, other := s.login(), s.login()
	sc.ok("SELECT INBOX")
	other.ok("SELECT INBOX")
	f := &follower{t: t, lists: map[string][]int{}, seqs: map[string]bool{}}
	searches := map[string]string{}
	begin := func(command string) {
		lines := sc.ok(strings.Replace(command, "ALL)", "UPDATE ALL)", 1))
		tag := fmt.Sprintf("t%d", sc.n)
		searches[tag] = command
		f.lists[tag] = numbersOf(t, allLine.FindStringSubmatch(lines[len(lines)-1])[1])
		if !strings.HasPrefix(command, "UID") {
			f.seqs[tag] = true
		}
	}
	for _, c := range []string{"UID SEARCH RETURN (ALL) UNSEEN", "SEARCH RETURN (ALL) NOT DELETED", "UID SORT RETURN (ALL) (REVERSE SUBJECT) UTF-8 UNFLAGGED",
		"SORT RETURN (ALL) (SUBJECT REVERSE ARRIVAL) UTF-8 OR SEEN FLAGGED", "UID SEARCH RETURN (ALL) 2:4", "UID SEARCH RETURN (ALL) UID *", "SORT RETURN (ALL) (DISPLAYFROM SUBJECT) UTF-8 FUZZY SUBJECT mesage"} {
		begin(c)
	}
	for range 60 {
		who := []*script{sc, other}[r.IntN(2)]
		var lines []string
		switch r.IntN(5) {
		case 0:
			s.deliver("INBOX", fmt.Sprintf("From: p%d@example.test\nSubject: message %d\n\nx\n", r.IntN(3), r.IntN(20)), []storage.Flags{0, storage.Seen, storage.Flagged}[r.IntN(3)])
		case 1:
			lines, _ = who.do("EXPUNGE")
		default:
			lines, _ = who.do(fmt.Sprintf("UID STORE %d:%d %sFLAGS.SILENT (%s)", 1+r.IntN(20), 1+r.IntN(20), []string{"+", "-"}[r.IntN(2)], []string{`\Seen`, `\Flagged`, `\Deleted`}[r.IntN(3)]))
		}
		if who == sc {
			for _, l := range lines {
				f.hear(l)
			}
		}
		if r.IntN(2) == 0 {
			continue
		}
		for _, l := range sc.ok("NOOP") {
			f.hear(l)
		}
		for tag, command := range searches {
			lines := sc.ok(command)
			want := numbersOf(t, allLine.FindStringSubmatch(lines[0])[1])
			if got := f.lists[tag]; !slices.Equal(got, want) {
				t.Fatalf("%s: client has %v, want %v", command, got, want)
			}
		}
	}
}

func TestContextsAreLimited(t *testing.T) {
	t.Parallel()
	s := newSuite(t)
	s.fill("INBOX", 1)
	sc := s.login()
	sc.ok("SELECT INBOX")
	for range maxContexts {
		sc.says("UID SEARCH RETURN (UPDATE COUNT) ALL", fmt.Sprintf(`* ESEARCH (TAG "t%d") UID COUNT 1`, sc.n+1))
	}
	// RFC 5267 §4.3.1: the search itself is answered.
	sc.says("UID SEARCH RETURN (UPDATE COUNT) ALL", fmt.Sprintf(`* ESEARCH (TAG "t%d") UID COUNT 1`, sc.n+1), fmt.Sprintf(`* NO [NOUPDATE "t%d"] Too many searches to keep up to date`, sc.n+1))
	sc.ok(`CANCELUPDATE "t3"`)
	sc.says("UID SEARCH RETURN (UPDATE COUNT) ALL", fmt.Sprintf(`* ESEARCH (TAG "t%d") UID COUNT 1`, sc.n+1))
}
