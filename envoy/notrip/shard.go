package notrip

import (
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// filterName is the root's name, and the beginning of each resource's name.
const filterName = "corsgate"

// ResourceName returns the name of a resource, counted from 0. The name says how many
// there are, so that an Envoy never gets resources of another division.
func (o Options) ResourceName(shard int) string {
	name := filterName
	if o.Shards > 1 {
		name += "-" + strconv.Itoa(shard) + "-of-" + strconv.Itoa(o.Shards)
	}
	return name + o.Suffix
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
