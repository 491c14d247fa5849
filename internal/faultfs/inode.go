package faultfs

import (
	"bytes"
	"os"
)

const sectorSize = 512

// inode is a file apart from its names: the bytes that are safe, and what has
// been written since. What the program sees is in the real file.
type inode struct {
	safe     map[int64][]byte // by number of the sector; a missing one is zeros
	safeSize int64
	dirty    map[int64]*history
	size     int64   // as the program sees it
	sizes    []int64 // since the last sync, the oldest first
	sizeLost bool
}

// history is what one sector has held since it was safe, the oldest first.
type history struct {
	versions [][]byte
	// lost: a sync has failed since; the next one takes no notice of the
	// sector, as the kernel holds its page for clean.
	lost bool
}

func newInode() *inode { return &inode{safe: map[int64][]byte{}, dirty: map[int64]*history{}} }

// load takes the bytes of the real file as safe, where they are not what the
// inode holds.
func (n *inode) load(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	zero := make([]byte, sectorSize)
	for s := int64(0); s*sectorSize < int64(len(b)); s++ {
		p := make([]byte, sectorSize)
		copy(p, b[s*sectorSize:])
		if bytes.Equal(p, n.sector(s)) {
			continue
		}
		delete(n.dirty, s)
		if n.safe[s] = p; bytes.Equal(p, zero) {
			delete(n.safe, s)
		}
	}
	if size := int64(len(b)); size != n.size {
		n.size, n.safeSize, n.sizes = size, size, nil
	}
	return nil
}

// sector is what the program sees of one; never written to.
func (n *inode) sector(s int64) []byte {
	if h := n.dirty[s]; h != nil {
		return h.versions[len(h.versions)-1]
	}
	if b := n.safe[s]; b != nil {
		return b
	}
	return make([]byte, sectorSize)
}

// put gives a sector a new version.
func (n *inode) put(s int64, b []byte) {
	h := n.dirty[s]
	if h == nil {
		h = &history{}
		n.dirty[s] = h
	}
	h.versions, h.lost = append(h.versions, b), false
}

func (n *inode) resize(size int64) {
	if size != n.size {
		n.size, n.sizes, n.sizeLost = size, append(n.sizes, size), false
	}
}

// write notes that p was written at off.
func (n *inode) write(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	p = bytes.Clone(p)
	end := off + int64(len(p))
	for at := off; at < end; {
		s := at / sectorSize
		next := min((s+1)*sectorSize, end)
		part := p[at-off : next-off]
		if len(part) < sectorSize {
			b := bytes.Clone(n.sector(s))
			copy(b[at-s*sectorSize:], part)
			part = b
		}
		n.put(s, part)
		at = next
	}
	if end == n.size {
		n.sizeLost = false // the last byte will be written, and the size with it
	}
	n.resize(max(n.size, end))
}

// truncate notes the new size; bytes behind it are zeros from then on.
func (n *inode) truncate(size int64) {
	if size < n.size {
		var cut []int64
		for s := range n.safe {
			if n.dirty[s] == nil {
				cut = append(cut, s)
			}
		}
		for s := range n.dirty {
			cut = append(cut, s)
		}
		for _, s := range cut {
			if (s+1)*sectorSize <= size {
				continue
			}
			b := make([]byte, sectorSize)
			copy(b, n.sector(s)[:max(size-s*sectorSize, 0)])
			n.put(s, b)
		}
	}
	n.resize(size)
}

// sync makes safe what is not lost.
func (n *inode) sync() {
	for s, h := range n.dirty {
		if !h.lost {
			n.safe[s] = h.versions[len(h.versions)-1]
			delete(n.dirty, s)
		}
	}
	if !n.sizeLost {
		n.safeSize, n.sizes = n.size, nil
	}
}

// lose is a failed sync.
func (n *inode) lose() {
	for _, h := range n.dirty {
		h.lost = true
	}
	n.sizeLost = len(n.sizes) > 0
}
