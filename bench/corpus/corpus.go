// Package corpus makes the messages of the load generator: mail as it is on
// average, text with attachments in base64, of sizes that are mostly small with
// a long tail. The same seed is used always, so that every run and every server
// sees the same sizes. It knows nothing of servers.
package corpus

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"
	"time"
)

const (
	seed     = 20240229
	pool     = 512     // different bodies; more would only fill the cache
	spread   = 1.5     // sigma of the log-normal distribution of sizes
	smallest = 1200    // bytes; a line of text with usual headers
	largest  = 2 << 20 // bytes; beyond are the workloads with large messages
	textPart = 3000    // bytes of text at most before the attachment starts
	lineLen  = 76
	boundary = "=_bench_2f7c9a"
	partHead = "--" + boundary + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
	wordText = "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but " +
		"not what all were we when your can said there use an each which she do how their if will up other about out " +
		"many then them these so some her would make like him into time has look two more write go see number no way " +
		"could people my than first water been call who its now find long down day did get come made may part over new " +
		"sound take only little work know place year live me back give most very after thing our just name good " +
		"sentence man think say great where help through much before line right too mean old any same tell boy follow " +
		"came want show also around form three small set put end does another well large must big even such because " +
		"turn here why ask went men read need land different home us move try kind hand picture again change off play " +
		"spell air away animal house point page letter mother answer found study still learn should world"
)

// Corpus is a fixed set of bodies; messages are a body with a head of their own.
// It never changes once made, and is safe for concurrent use.
type Corpus struct {
	bodies [][]byte
}

// New makes a corpus whose messages have the given mean size in bytes, at least
// 2 KiB.
func New(mean int) *Corpus {
	rnd := rand.New(rand.NewPCG(seed, uint64(mean)))
	c := &Corpus{bodies: make([][]byte, pool)}
	head := len(appendHead(nil, 0))
	for i, size := range sizes(rnd, mean) {
		c.bodies[i] = body(rnd, size-head)
	}
	return c
}

// sizes draws as many sizes as there are bodies, with exactly the mean asked for
// but for rounding.
func sizes(rnd *rand.Rand, mean int) []int {
	raw := make([]float64, pool)
	scale := 1.0
	for i := range raw {
		raw[i] = math.Exp(rnd.NormFloat64() * spread)
	}
	out := make([]int, pool)
	for range 40 { // the limits bend the mean; a few steps straighten it
		sum := 0
		for i, r := range raw {
			out[i] = min(max(int(r*scale*float64(mean)), smallest), largest)
			sum += out[i]
		}
		scale *= float64(mean) / (float64(sum) / pool)
	}
	return out
}

// Fixed makes a corpus whose messages are all of about one size in bytes.
func Fixed(size int) *Corpus {
	rnd := rand.New(rand.NewPCG(seed, uint64(size)))
	c := &Corpus{bodies: make([][]byte, min(pool, max(1, 64<<20/size)))}
	head := len(appendHead(nil, 0))
	for i := range c.bodies {
		c.bodies[i] = body(rnd, max(size-head, 200))
	}
	return c
}

// Append appends message number serial to dst: lines end with CR LF, none begins
// with a dot, and no two serials give the same message.
func (c *Corpus) Append(dst []byte, serial int) []byte {
	return append(appendHead(dst, serial), c.bodies[serial%len(c.bodies)]...)
}

// Size tells the bytes of message number serial.
func (c *Corpus) Size(serial int) int64 {
	var head [1024]byte
	return int64(len(appendHead(head[:0], serial)) + len(c.bodies[serial%len(c.bodies)]))
}

// appendHead appends a head as mail programs write it.
func appendHead(dst []byte, serial int) []byte {
	date := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC).Add(time.Duration(serial) * time.Second)
	dst = append(dst, "Date: "...)
	dst = date.AppendFormat(dst, time.RFC1123Z)
	dst = append(dst, "\r\nFrom: \"Sender of Load\" <sender@example.net>\r\nTo: \"Receiver of Load\" <receiver@bench.test>\r\nMessage-ID: <"...)
	dst = strconv.AppendInt(dst, int64(serial), 10)
	dst = append(dst, ".7d1f@example.net>\r\nSubject: Report number "...)
	dst = strconv.AppendInt(dst, int64(serial), 10)
	dst = append(dst, " of the quarter\r\nMIME-Version: 1.0\r\nUser-Agent: bench\r\nContent-Type: multipart/mixed; boundary=\""...)
	dst = append(dst, boundary...)
	return append(dst, "\"\r\n\r\n"...)
}

// body makes the text and the attachment, about size bytes in all.
func body(rnd *rand.Rand, size int) []byte {
	out := make([]byte, 0, size+200)
	out = append(out, partHead...)
	out = text(out, rnd, min(textPart, size-len(out)-len(boundary)-8))
	const attachment = "--" + boundary + "\r\nContent-Type: application/octet-stream; name=\"data.bin\"\r\n" +
		"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"data.bin\"\r\n\r\n"
	if rest := size - len(out) - len(attachment) - len(boundary) - 8; rest > 2*lineLen {
		out = append(out, attachment...)
		out = attach(out, rnd, rest)
	}
	return append(out, "--"+boundary+"--\r\n"...)
}

// text appends n bytes of words in lines.
func text(dst []byte, rnd *rand.Rand, n int) []byte {
	words := len(wordText)
	for end := len(dst) + n; len(dst) < end; {
		at := rnd.IntN(words - lineLen)
		line := wordText[at : at+min(lineLen-4, max(end-len(dst)-2, 1))]
		dst = append(append(dst, line...), '\r', '\n')
	}
	return dst
}

// attach appends n bytes of base64 in lines; what is encoded does not compress.
func attach(dst []byte, rnd *rand.Rand, n int) []byte {
	var raw [64]byte
	for end := len(dst) + n; len(dst) < end; {
		for i := 0; i < len(raw); i += 8 {
			binary.LittleEndian.PutUint64(raw[i:], rnd.Uint64())
		}
		dst = append(base64.StdEncoding.AppendEncode(dst, raw[:lineLen/4*3]), '\r', '\n')
	}
	return dst
}
