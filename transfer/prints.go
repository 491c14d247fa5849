package transfer

import "mailstead/storage"

// prints is a table of the fingerprints of a mailbox: an open-addressed hash
// table of 12 bytes a place, because a mailbox can have millions. A UID of zero
// is a message under way, which has none yet.
type prints struct {
	keys []uint64 // zero: free
	uids []storage.UID
	n    int
}

// printKey packs a size and a CRC, never as zero. Equal keys are only a hint,
// so sizes beyond 4 GiB may wrap.
func printKey(size int64, crc uint32) uint64 {
	return max(uint64(uint32(size))<<32|uint64(crc), 1)
}

func (p *prints) slot(key uint64) int {
	return int((key * 0x9e3779b97f4a7c15) >> 20 % uint64(len(p.keys)))
}

// add puts in a message; several may have the same key.
func (p *prints) add(key uint64, uid storage.UID) {
	if (p.n+1)*4 > len(p.keys)*3 {
		p.grow()
	}
	i := p.slot(key)
	for p.keys[i] != 0 {
		i = (i + 1) % len(p.keys)
	}
	p.keys[i], p.uids[i] = key, uid
	p.n++
}

func (p *prints) grow() {
	old := *p
	size := max(1024, 2*len(old.keys))
	*p = prints{keys: make([]uint64, size), uids: make([]storage.UID, size)}
	for i, k := range old.keys {
		if k != 0 {
			p.add(k, old.uids[i])
		}
	}
}

// find gives the UIDs of the messages with the key.
func (p *prints) find(key uint64) (uids []storage.UID) {
	if len(p.keys) == 0 {
		return nil
	}
	for i := p.slot(key); p.keys[i] != 0; i = (i + 1) % len(p.keys) {
		if p.keys[i] == key {
			uids = append(uids, p.uids[i])
		}
	}
	return uids
}
