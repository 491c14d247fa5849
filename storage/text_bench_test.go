package storage

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// realistic makes mail of about 30 KB as it comes today: relays' headers with
// identifiers and signatures, text whose words are as frequent as in languages,
// half of it with HTML beside, some with attachments.
type realistic struct {
	rnd   *rand.Rand
	zipf  *rand.Zipf
	words []string
}

func newRealistic() *realistic {
	r := &realistic{rnd: rand.New(rand.NewPCG(7, 11))}
	r.zipf = rand.NewZipf(r.rnd, 1.1, 4, 99999)
	syllables := strings.Fields("an be con der er fo ge ha in ja ko le ment no or per que re sti ter un ver wo ex yl zu tion al is ar ing ness")
	seen := map[string]bool{}
	for len(r.words) < 100000 {
		w := ""
		for range 1 + r.rnd.IntN(4) + min(2, len(r.words)/2000) {
			w += syllables[r.rnd.IntN(len(syllables))]
		}
		if !seen[w] {
			seen[w] = true
			r.words = append(r.words, w)
		}
	}
	return r
}

func (r *realistic) chance(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.rnd.UintN(256))
	}
	return base64.StdEncoding.EncodeToString(b)
}

func (r *realistic) text(n int) string {
	var b strings.Builder
	for line := 0; b.Len() < n; {
		w := r.words[r.zipf.Uint64()]
		b.WriteString(w)
		if line += len(w) + 1; line > 70 {
			b.WriteString("\r\n")
			line = 0
			continue
		}
		b.WriteByte(' ')
	}
	return b.String()
}

func (r *realistic) message(i int) string {
	var h strings.Builder
	for range 4 {
		fmt.Fprintf(&h, "Received: from mx%d.example.net (mx%d.example.net [192.0.2.%d]) by in.example.org with ESMTPS id %s\r\n for <user@example.org>; Wed, 25 Nov 2026 10:%02d:%02d +0000\r\n",
			r.rnd.IntN(40), r.rnd.IntN(40), r.rnd.IntN(256), r.chance(9), r.rnd.IntN(60), r.rnd.IntN(60))
	}
	fmt.Fprintf(&h, "DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=sel; h=from:to:subject;\r\n bh=%s; b=%s\r\n", r.chance(32), r.chance(256))
	fmt.Fprintf(&h, "From: %s <p%d@example.net>\r\nTo: user@example.org\r\nSubject: %s\r\nMessage-ID: <%s@example.net>\r\nDate: Wed, 25 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n",
		r.words[1000+r.rnd.IntN(2000)], r.rnd.IntN(500), strings.TrimSpace(strings.ReplaceAll(r.text(40), "\r\n", " ")), r.chance(18))
	text := r.text(500 + int(r.rnd.ExpFloat64()*4000))
	if i%1000 == 7 {
		text += " rarest"
	}
	fmt.Fprintf(&h, "Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n", text)
	if i%2 == 0 {
		fmt.Fprintf(&h, "--b1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><head><style>%s</style></head><body>", strings.Repeat("td.x{padding:0;margin:0}\r\n", 100))
		for p := range strings.SplitSeq(text, "\r\n") {
			fmt.Fprintf(&h, "<p style=\"margin:0\"><a href=\"https://track.example.net/%s\">%s</a></p>\r\n", r.chance(60), p)
		}
		h.WriteString("</body></html>\r\n")
	}
	if i%10 == 0 {
		h.WriteString("--b1\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n")
		b := r.chance(100000)
		for ; len(b) > 76; b = b[76:] {
			h.WriteString(b[:76] + "\r\n")
		}
	}
	h.WriteString("--b1--\r\n")
	return h.String()
}

// benchText opens a store with realistic mail, MAILSTEAD_BENCH_MESSAGES or 2,000,
// and indexes it.
func benchText(b *testing.B) (*Store, Ref) {
	n, _ := strconv.Atoi(os.Getenv("MAILSTEAD_BENCH_MESSAGES")) // not set: 2,000
	if n == 0 {
		n = 2000
	}
	ctx := context.Background()
	s, err := Open(b.TempDir(), quietText())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if err := s.CreateAccount(ctx, 1, "a"); err != nil {
		b.Fatal(err)
	}
	m, err := s.Mailbox(1, "INBOX")
	if err != nil {
		b.Fatal(err)
	}
	ref, r := Ref{1, m.ID}, newRealistic()
	for i := 0; i < n; {
		var list []Incoming
		for ; len(list) < 200 && i < n; i++ {
			list = append(list, Incoming{Body: strings.NewReader(r.message(i)), Targets: []Target{{Ref: ref}}})
		}
		if _, err := s.AppendAll(ctx, list); err != nil {
			b.Fatal(err)
		}
	}
	start := time.Now()
	if err := s.IndexText(ctx); err != nil {
		b.Fatal(err)
	}
	sp, err := s.Space()
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d messages, %d bytes each; index %.1f %% of them in %d pieces, made in %v", n, sp.Bytes/int64(n), 100*float64(sp.Text)/float64(sp.Bytes), sp.TextPieces, time.Since(start))
	return s, ref
}

// BenchmarkSearch puts searches with the index beside those without.
func BenchmarkSearch(b *testing.B) {
	s, ref := benchText(b)
	r := newRealistic()
	for _, bb := range []struct {
		name string
		q    Query
	}{
		{"text rare", Query{Text: []string{"rarest"}}},
		{"text common", Query{Text: []string{r.words[30]}}},
		{"text three letters", Query{Text: []string{"ing"}}},
		{"body rare", Query{Body: []string{"rarest"}}},
		{"body none", Query{Body: []string{"zebrafish"}}},
		{"body common", Query{Body: []string{r.words[20]}}},
		{"body phrase", Query{Body: []string{r.words[300] + " " + r.words[20]}}},
		{"subject rare", Query{Header: []HeaderMatch{{"Subject", "zebra"}}}},
		{"subject common", Query{Header: []HeaderMatch{{"Subject", r.words[3]}}}},
		{"from common", Query{Header: []HeaderMatch{{"From", "example.net"}}}},
		{"header other", Query{Header: []HeaderMatch{{"DKIM-Signature", "zebra"}}}},
		{"not body", Query{Not: []Query{{Body: []string{r.words[30]}}}}},
	} {
		for _, indexed := range []bool{true, false} {
			if !indexed && os.Getenv("MAILSTEAD_BENCH_SCAN") == "" && bb.name != "body none" && bb.name != "subject rare" {
				continue
			}
			b.Run(fmt.Sprintf("%s/index=%v", bb.name, indexed), func(b *testing.B) {
				n := 0
				for b.Loop() {
					n = 0
					for _, err := range s.search(context.Background(), ref, bb.q, All, indexed) {
						if err != nil {
							b.Fatal(err)
						}
						n++
					}
				}
				b.ReportMetric(float64(n), "found")
			})
		}
	}
}
