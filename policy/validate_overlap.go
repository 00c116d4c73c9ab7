package policy

import (
	"fmt"
	"slices"
)

// checkOverlaps finds policies of the same layer that name the same host and
// the same path: there would be no telling which of them is chosen. Enforced
// policies and those that are off make up one layer, shadow policies another.
func (v *validator) checkOverlaps(specs []Spec) {
	for _, shadow := range []bool{false, true} {
		o := overlaps{v: v, specs: specs, compared: map[string]bool{}, reported: map[[2]int]bool{}}
		o.checkLayer(shadow)
	}
}

// overlaps compares the policies of one layer.
type overlaps struct {
	v        *validator
	specs    []Spec
	compared map[string]bool // :: indices of specs that share a host
	reported map[[2]int]bool // :: pairs of specs
}

func (o *overlaps) checkLayer(shadow bool) {
	sharing := map[string][]int{} // :: host -> specs
	var hosts []string            // in order of first use
	for i := range o.specs {
		if (o.specs[i].Mode == ModeShadow) != shadow {
			continue
		}
		for _, h := range orEvery(o.specs[i].Hosts, "*") {
			have := sharing[h]
			if len(have) == 0 {
				hosts = append(hosts, h)
			}
			if len(have) == 0 || have[len(have)-1] != i {
				sharing[h] = append(have, i)
			}
		}
	}
	for _, h := range hosts {
		o.compare(h, sharing[h])
	}
}

// orEvery returns the list, or every where it is empty.
func orEvery(list []string, every string) []string {
	if len(list) == 0 {
		return []string{every}
	}
	return list
}

// compare finds a path that two of the specs that share host share too, as
// applications read it: if only its escapes tell the two apart, a page could
// choose between them. The same specs are compared once, however many hosts
// they share.
func (o *overlaps) compare(host string, sharing []int) {
	key := fmt.Sprint(sharing)
	if len(sharing) < 2 || o.compared[key] {
		return
	}
	o.compared[key] = true
	first := map[string]int{} // :: path -> spec
	for _, i := range sharing {
		for _, p := range orEvery(o.specs[i].Paths, "/") {
			p = decodedPrefix(p)
			if j, taken := first[p]; taken && j != i {
				o.report(j, i, host, p)
				continue
			}
			first[p] = i
		}
	}
}

func (o *overlaps) report(i, j int, host, path string) {
	pair := [2]int{i, j}
	if o.reported[pair] {
		return
	}
	o.reported[pair] = true
	a, b := &o.specs[i], &o.specs[j]
	where := "every host"
	if host != "*" {
		where = host
	}
	field := ""
	if k := slices.IndexFunc(b.Paths, func(p string) bool { return decodedPrefix(p) == path }); k >= 0 {
		field = at("paths", k)
	} else if k := slices.Index(b.Hosts, host); k >= 0 {
		field = at("hosts", k)
	}
	o.v.spec = j
	o.v.fail("policy-overlap", field, where+path,
		fmt.Sprintf("policies %q and %q both cover it, and none of them is more specific", clip(a.Name), clip(b.Name)),
		"give one of them a longer path or another host, or make it one policy")
}
