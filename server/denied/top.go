package denied

import (
	"hash/maphash"
	"time"

	"github.com/corsgate/corsgate/policy"
)

// The memory of one policy.
const (
	maxEntries  = 32
	filterCells = 4096
)

// key is what is counted. Its strings are clipped.
type key struct {
	origin string
	reason policy.Reason
	// asked is what was denied if it was not the origin: the requested method
	// or headers, or the policy that Envoy named.
	asked string
	// clipped says that asked is not complete.
	clipped bool
}

// entry is one of the most frequent keys.
type entry struct {
	key
	// count is at least how often the key came, and at most over too high.
	count, over uint64
	first, last time.Time
	told        uint64 // count when the log told of it
}

// top are the most frequent keys of one policy.
type top struct {
	total   uint64
	entries []entry
	index   map[key]int // :: place in entries
	// filter has, by the hash of keys that are not among entries, the most times that they
	// may have come. If several keys share a cell, the number is too high.
	filter []uint64
}

func newTop() *top {
	return &top{index: make(map[key]int, maxEntries), filter: make([]uint64, filterCells)}
}

// add counts k. own returns k with strings that may be kept; it is called only if k is
// new among the entries. Nobody else knows seed, so no sender can choose a cell.
func (t *top) add(k key, now time.Time, seed maphash.Seed, own func(key) key) {
	t.total++
	if i, ok := t.index[k]; ok {
		t.entries[i].count++
		t.entries[i].last = now
		return
	}
	if len(t.entries) < maxEntries {
		k = own(k)
		t.index[k] = len(t.entries)
		t.entries = append(t.entries, entry{key: k, count: 1, first: now, last: now})
		return
	}
	cell, least := t.cell(k, seed), t.least()
	if *cell+1 < t.entries[least].count {
		*cell++
		return
	}
	t.replace(least, own(k), *cell, now, seed)
}

// replace puts k in the place of the least frequent entry, whose count its cell
// keeps from now on. over is how often k came at most before.
func (t *top) replace(place int, k key, over uint64, now time.Time, seed maphash.Seed) {
	gone := &t.entries[place]
	cell := t.cell(gone.key, seed)
	*cell = max(*cell, gone.count)
	delete(t.index, gone.key)
	t.index[k] = place
	*gone = entry{key: k, count: over + 1, over: over, told: over, first: now, last: now}
}

func (t *top) cell(k key, seed maphash.Seed) *uint64 {
	return &t.filter[maphash.Comparable(seed, k)%filterCells]
}

func (t *top) least() int {
	least := 0
	for i := range t.entries {
		if t.entries[i].count < t.entries[least].count {
			least = i
		}
	}
	return least
}
