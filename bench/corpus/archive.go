package corpus

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Archive is a mailbox that has grown over years: people who write often and
// seldom, threads with replies, heads as mail from the Internet has them, and
// words that are found in few messages and in many. It never changes once made,
// and is safe for concurrent use.
type Archive struct {
	corpus *Corpus
}

const (
	block    = 50 // messages whose threads are interleaved
	threads  = 10 // of a block
	vocabPer = 20 // syllables; three make a word
	seldom   = 2000
)

// Word is something to look for in an archive.
type Word struct {
	// Text is what to ask for.
	Text string
	hit  func(i int) bool
}

// Count tells how many of the first n messages have it.
func (w Word) Count(n int) int {
	hits := 0
	for i := range n {
		if w.hit(i) {
			hits++
		}
	}
	return hits
}

// RareSubject is in the subjects of one thread in thousand.
func RareSubject() Word {
	return Word{"zarquist", func(i int) bool { return i/block%200 == 0 && thread(i) == 4 }}
}

// CommonSubject is in the subjects of four threads in ten.
func CommonSubject() Word {
	return Word{"quarterly", func(i int) bool { return thread(i)%3 == 0 }}
}

// RareSender writes one message in 2000.
func RareSender() Word { return Word{"quillon", func(i int) bool { return i%seldom == 19 }} }

// CommonSender writes about one message in ten.
func CommonSender() Word {
	return Word{"wexford", func(i int) bool { return i%10 == 3 && !RareSender().hit(i) }}
}

// RareBody is in the text of one message in 2000.
func RareBody() Word { return Word{"xylographer", func(i int) bool { return i%seldom == 17 }} }

// RareText is in the text of one message in 2000, and in the head of another.
func RareText() Word {
	return Word{"quixotry", func(i int) bool { return i%seldom == 23 || i%seldom == 31 }}
}

// NewArchive makes an archive whose messages have about the given mean size in
// bytes, at least 4 KiB.
func NewArchive(mean int) *Archive { return &Archive{New(mean - 2<<10)} }

// Append appends message i to dst: lines end with CR LF, none begins with a dot.
func (a *Archive) Append(dst []byte, i int) []byte {
	rnd := rand.New(rand.NewPCG(seed, uint64(i)))
	dst = archiveHead(dst, rnd, i)
	dst = append(dst, partHead...)
	dst = archiveText(dst, rnd, i)
	return append(dst, a.corpus.bodies[i%pool][len(partHead):]...)
}

// Size tells the bytes of the first n messages.
func (a *Archive) Size(n int) int64 {
	var sum int64
	var text []byte
	for i := range n {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		text = archiveText(archiveHead(text[:0], rnd, i), rnd, i)
		sum += int64(len(text) + len(a.corpus.bodies[i%pool]))
	}
	return sum
}

// Seen tells whether message i has been read; four in five have.
func (a *Archive) Seen(i int) bool { return i%5 != 2 }

// Received is when message i came.
func (a *Archive) Received(i int) time.Time {
	return time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 7 * time.Minute)
}

func thread(i int) int { return i % block % threads }

// archiveHead appends a head like those of mail that crossed the Internet.
func archiveHead(dst []byte, rnd *rand.Rand, i int) []byte {
	received := (*Archive)(nil).Received(i)
	sent := received.Add(-time.Duration(i*scatter%5000) * time.Second).Format(time.RFC1123Z)
	name, address := person(rnd, i)
	dst = fmt.Appendf(dst, "Return-Path: <%s>\r\nReceived: from mx%d.example.org (mx%d.example.org [192.0.2.%d])\r\n\tby mail.bench.test with ESMTPS id %08x\r\n\tfor <u0000@bench.test>; %s\r\n",
		address, i%7, i%7, i%250, rnd.Uint32(), received.Format(time.RFC1123Z))
	dst = fmt.Appendf(dst, "Received: from [198.51.100.%d] by mx%d.example.org\r\n\twith ESMTPSA id %08x; %s\r\n", i%251, i%7, rnd.Uint32(), sent)
	dst = append(dst, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=s1;\r\n\th=from:to:subject:date:message-id; b="...)
	for range 5 {
		dst = append(attach(dst, rnd, lineLen), '\t')
	}
	dst = fmt.Appendf(dst, "AA==\r\nDate: %s\r\nFrom: %s <%s>\r\nTo: \"Receiver of Load\" <u0000@bench.test>", sent, name, address)
	for range i % 3 {
		dst = fmt.Appendf(dst, ",\r\n\t%s <%s@example.com>", word(rnd), word(rnd))
	}
	if i%4 == 0 {
		dst = fmt.Appendf(dst, "\r\nCc: %s %s <%s@example.com>", word(rnd), word(rnd), word(rnd))
	}
	dst = fmt.Appendf(dst, "\r\nMessage-ID: %s\r\n", messageID(i))
	dst = references(dst, i)
	dst = subject(dst, i)
	if i%seldom == 31 {
		dst = append(dst, "Keywords: "+RareText().Text+"\r\n"...)
	}
	dst = append(dst, "MIME-Version: 1.0\r\nUser-Agent: bench\r\nX-Priority: 3\r\nContent-Type: multipart/mixed; boundary=\""...)
	return append(append(dst, boundary...), "\"\r\n\r\n"...)
}

// scatter makes dates differ from the order of arrival.
const scatter = 7919

// person is who wrote message i.
func person(rnd *rand.Rand, i int) (name, address string) {
	switch {
	case RareSender().hit(i):
		name = "Ottilie Quillon"
	case CommonSender().hit(i):
		name = "Amos Wexford"
	default:
		// Of 400 people some write often: the square of a number below one is mostly small.
		f := rnd.Float64()
		own := rand.New(rand.NewPCG(seed, uint64(f*f*400)))
		name = title(word(own)) + " " + title(word(own))
	}
	return name, strings.ToLower(strings.ReplaceAll(name, " ", ".")) + "@example.org"
}

func messageID(i int) string { return fmt.Sprintf("<%d.%x@example.org>", i, (i+1)*scatter) }

// references names the messages of the thread before this one; the fifth of a
// thread answers to the second.
func references(dst []byte, i int) []byte {
	at, first := i%block/threads, i-i%block+thread(i)
	if at == 0 {
		return dst
	}
	to := at - 1
	if at == 4 {
		to = 1
	}
	dst = append(dst, "In-Reply-To: "+messageID(first+to*threads)+"\r\nReferences:"...)
	for k := range to + 1 {
		dst = append(dst, " "+messageID(first+k*threads)+"\r\n"...)
		if k < to {
			dst = append(dst, '\t')
		}
	}
	return dst
}

// subject is the same for a thread but for Re:. One thread in ten has an encoded
// word.
func subject(dst []byte, i int) []byte {
	first := i - i%block + thread(i)
	rnd := rand.New(rand.NewPCG(seed+1, uint64(first)))
	dst = append(dst, "Subject: "...)
	if i != first {
		dst = append(dst, "Re: "...)
	}
	if thread(i) == 7 {
		dst = append(dst, "=?utf-8?q?Caf=C3=A9_"+word(rnd)+"?= "...)
	}
	dst = append(dst, word(rnd)+" "+word(rnd)...)
	for _, w := range []Word{RareSubject(), CommonSubject()} {
		if w.hit(i) {
			dst = append(dst, " "+w.Text...)
		}
	}
	return append(dst, " "+word(rnd)+" "+strconv.Itoa(first)+"\r\n"...)
}

// archiveText appends the lines of the text that no other message has.
func archiveText(dst []byte, rnd *rand.Rand, i int) []byte {
	for range 4 {
		for range 9 {
			dst = append(dst, word(rnd)+" "...)
		}
		dst = append(dst, "\r\n"...)
	}
	if RareBody().hit(i) {
		dst = append(dst, "written by a "+RareBody().Text+".\r\n"...)
	}
	if i%seldom == 23 {
		dst = append(dst, "such "+RareText().Text+" again.\r\n"...)
	}
	return dst
}

// word makes one of 8000 words, some much more often than others.
func word(rnd *rand.Rand) string {
	const syllables = "babebidodufafelilomamenonupirarosatetovu"
	var out [6]byte
	for k := 0; k < len(out); k += 2 {
		f := rnd.Float64()
		copy(out[k:], syllables[int(f*f*vocabPer)*2:][:2])
	}
	return string(out[:])
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
