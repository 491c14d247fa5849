package storage_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"mailstead/mail"
	"mailstead/storage"
)

// grownSizes are numbers of messages; MAILSTEAD_BENCH_MESSAGES adds one more.
func grownSizes(b *testing.B) []int {
	b.Helper()
	sizes := []int{1_000, 20_000}
	if v := os.Getenv("MAILSTEAD_BENCH_MESSAGES"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			b.Fatal(err)
		}
		sizes = append(sizes, n)
	}
	return sizes
}

// grow puts messages of size bytes into 50 accounts and gives the sum of their
// sizes.
func grow(b *testing.B, dir string, messages, size int) (bodies int64) {
	b.Helper()
	s, err := storage.Open(dir, storage.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for id := range mail.AccountID(50) {
		if err := s.CreateAccount(b.Context(), id+1, "user"); err != nil {
			b.Fatal(err)
		}
	}
	const group = 100
	for i := 0; i < messages; i += group {
		ref := named(b, s, mail.AccountID(i/group%50+1), "INBOX")
		var list []storage.Incoming
		for j := range group {
			text := benchMessage(int64(i+j), size)
			bodies += int64(len(text))
			list = append(list, storage.Incoming{Body: strings.NewReader(text), Targets: []storage.Target{{Ref: ref}}})
		}
		if _, err := s.AppendAll(b.Context(), list); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return bodies
}

func diskUse(b *testing.B, dir string) (bytes int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}

// BenchmarkGrown shows what grows with the number of messages: opening the
// store, delivering one more, and the disk it takes beyond the bodies.
func BenchmarkGrown(b *testing.B) {
	for _, n := range grownSizes(b) {
		b.Run(fmt.Sprintf("messages=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			bodies := grow(b, dir, n, 1000)
			over := float64(diskUse(b, dir)-bodies) / float64(n)
			b.Run("open", func(b *testing.B) {
				for b.Loop() {
					s, err := storage.Open(dir, storage.Options{})
					if err != nil {
						b.Fatal(err)
					}
					if err := s.Close(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(over, "overhead-B/message")
			})
			b.Run("deliver", func(b *testing.B) { benchGrownDeliver(b, dir) })
		})
	}
}

func benchGrownDeliver(b *testing.B, dir string) {
	s, err := storage.Open(dir, storage.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var n atomic.Int64
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			if err := s.Deliver(b.Context(), strings.NewReader(benchMessage(i, 4000)), mail.AccountID(i%50+1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkLargeStore reads, delivers and sets flags at random in a store of
// messages of 32 KB that is larger than the memory: run it in a control group.
func BenchmarkLargeStore(b *testing.B) {
	sizes := grownSizes(b)
	messages := sizes[len(sizes)-1]
	dir := b.TempDir()
	grow(b, dir, messages, 32<<10)
	s, err := storage.Open(dir, storage.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var refs []storage.Ref
	for id := range mail.AccountID(50) {
		refs = append(refs, named(b, s, id+1, "INBOX"))
	}
	for b.Loop() {
		ref := refs[rand.IntN(len(refs))]
		uid := storage.UID(rand.IntN(messages/50) + 1)
		switch rand.IntN(3) {
		case 0:
			if got := read(b, s, ref, uid); len(got) < 16<<10 {
				b.Fatalf("got %d bytes", len(got))
			}
		case 1:
			if err := s.Deliver(b.Context(), strings.NewReader(benchMessage(int64(uid), 32<<10)), ref.Account); err != nil {
				b.Fatal(err)
			}
		case 2:
			if _, err := s.SetFlags(b.Context(), ref, storage.UIDs(uid), storage.FlagChange{Flags: storage.Seen}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkCompression delivers mail as it is and compressed: text, and text
// with an attachment that does not compress but for its base64.
func BenchmarkCompression(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("the of and to in is that it was for on are with as at be this have from or had by not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know")
	text := func(size int) string {
		var t strings.Builder
		for t.Len() < size {
			fmt.Fprintf(&t, "%s %s\r\n", words[rnd.IntN(len(words))], strings.Join([]string{words[rnd.IntN(len(words))], words[rnd.IntN(len(words))], words[rnd.IntN(len(words))]}, " "))
		}
		return t.String()
	}
	noise := func(size int) string {
		const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		var t strings.Builder
		for i := range size {
			t.WriteByte(digits[rnd.IntN(64)])
			if i%76 == 75 {
				t.WriteString("\r\n")
			}
		}
		return t.String()
	}
	for name, body := range map[string]string{"text": text(8 << 10), "attachment": text(2<<10) + noise(30<<10)} {
		for _, on := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/compress=%v", name, on), func(b *testing.B) {
				dir := b.TempDir()
				s, err := storage.Open(dir, storage.Options{Compress: on, SegmentSize: 2 << 20})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				ref := newAccount(b, s, 1)
				m := "Subject: x\r\n\r\n" + body
				for b.Loop() {
					if err := s.Deliver(b.Context(), strings.NewReader(m), ref.Account); err != nil {
						b.Fatal(err)
					}
				}
				if err := s.Settle(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(diskUse(b, filepath.Join(dir, "mail")))/float64(b.N)/float64(len(m)), "disk/body")
			})
		}
	}
}
