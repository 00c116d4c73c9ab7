package notrip

import (
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// The name of the filter's resource, and of the root's default.
const resourceName = "corsgate"

// nameOf returns the name of the i-th of so many resources. It tells how many there
// are: an Envoy that follows some must not be given those of another number.
func nameOf(i, shards int) string {
	if shards == 1 {
		return resourceName
	}
	return resourceName + "-" + strconv.Itoa(i) + "-of-" + strconv.Itoa(shards)
}

// shard divides authorities as Envoy's consistent_hashing matcher does: xxHash64 with
// the seed 0, modulo the number of shards.
func shard(authorities []string, shards int) [][]string {
	list := make([][]string, shards)
	for _, a := range authorities {
		i := xxhash.Sum64String(a) % uint64(shards)
		list[i] = append(list[i], a)
	}
	return list
}
