package importertest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
)

// Placed is a route for one host, which is "" for every host.
type Placed struct {
	Host string
	// At are the places where it answers, such as gateways: "a", or "a/b" for a part of "a".
	At []string
	// Origin is what it allows; if it is empty, it allows nothing.
	Origin string
	// Redirects says that it answers with a redirect.
	Redirects bool
}

// entryAt returns the host for which p answers at a place, which takes requests for a host alone;
// "" is every host.
func (p Placed) entryAt(place, limit string) (entry string, ok bool) {
	isAt := slices.ContainsFunc(p.At, func(at string) bool { return place == at || strings.HasPrefix(place, at+"/") })
	switch {
	case !isAt:
		return "", false
	case limit == "", p.Host == limit, fields.IsWider([]string{limit}, p.Host):
		return p.Host, true
	}
	return limit, p.Host == "" || fields.IsWider([]string{p.Host}, limit)
}

// placedHosts are the hosts of routes, each with a request that no closer one takes.
var placedHosts = map[string]string{
	"a.b.example": "a.b.example", "*.b.example": "x.b.example", "*.example": "x.example", "": "x.test",
}

// Places makes up routes for hosts within each other at some of the places, of which policies
// know none. It wants the report to tell of each host that a place answers otherwise than the
// policies, and of no other one. asked are all places, each with the host that it takes, or ""
// for every host. write returns the configuration.
func Places(t *testing.T, places []string, asked map[string]string, read func([]tree.Node) source.Config, write func(r *rand.Rand, routes []Placed) string) {
	t.Helper()
	told := 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 7))
		routes := placed(r, places, asked)
		text := write(r, routes)
		result, send := Import(t, read, text)
		told += len(toldPlaces(result))
		differs := func(request string) bool { return otherwise(routes, asked, send, request) }
		for _, entry := range entriesOf(routes, asked) {
			request := placedHosts[entry]
			if differs(request) && !tells(result, request) {
				t.Fatalf("seed %d: a place answers %s otherwise than the policies, and the report does not tell of it\n%s%s%s", seed, request, text, result.Text(), result.Report())
			}
			if tellsOf(result, entry) && !slices.ContainsFunc(requestsOf(result, entry), differs) {
				t.Fatalf("seed %d: all places answer %s like the policies, and the report tells of one that does not\n%s%s%s", seed, request, text, result.Text(), result.Report())
			}
		}
	}
	if told == 0 {
		t.Error("no report tells of another place: nothing was compared")
	}
}

// placed makes up routes of which no two are for the same host at the same place.
func placed(r *rand.Rand, places []string, asked map[string]string) (routes []Placed) {
	entries := slices.Sorted(maps.Keys(placedHosts))
	for i := range 2 + r.IntN(5) {
		p := Placed{Host: entries[r.IntN(len(entries))], Redirects: r.IntN(4) == 0}
		if !p.Redirects && r.IntN(2) == 0 {
			p.Origin = fmt.Sprintf("https://r%d.example", i)
		}
		for range 1 + r.IntN(2) {
			at := places[r.IntN(len(places))]
			if !slices.ContainsFunc(p.At, func(of string) bool { return strings.HasPrefix(at, of) || strings.HasPrefix(of, at) }) {
				p.At = append(p.At, at)
			}
		}
		if !slices.ContainsFunc(routes, func(q Placed) bool { return p.meets(q, asked) }) {
			routes = append(routes, p)
		}
	}
	return routes
}

// meets reports whether both are for the same host at the same place.
func (p Placed) meets(other Placed, asked map[string]string) bool {
	for place, limit := range asked {
		a, one := p.entryAt(place, limit)
		b, two := other.entryAt(place, limit)
		if one && two && a == b {
			return true
		}
	}
	return false
}

// entriesOf returns the hosts of all routes, as far as places take them.
func entriesOf(routes []Placed, asked map[string]string) (entries []string) {
	for place, limit := range asked {
		for _, p := range routes {
			if entry, ok := p.entryAt(place, limit); ok {
				entries = append(entries, entry)
			}
		}
	}
	slices.Sort(entries)
	return slices.Compact(entries)
}

// otherwise reports whether the routes at a place send a request on, and allow another origin
// than the policies.
func otherwise(routes []Placed, asked map[string]string, send Send, host string) bool {
	var allowed []string
	for _, p := range routes {
		answer := send(http.MethodGet, host, "/", browser.Headers{{Name: "Origin", Value: p.Origin}})
		if _, ok := answer.Headers.Get("Access-Control-Allow-Origin"); ok {
			allowed = append(allowed, p.Origin)
		}
	}
	for place, limit := range asked {
		p, ok := answering(routes, place, limit, host)
		if ok && !p.Redirects && p.Origin != strings.Join(allowed, " ") {
			return true
		}
	}
	return false
}

// answering returns the route at a place for the closest host.
func answering(routes []Placed, place, limit, host string) (Placed, bool) {
	for _, entry := range fields.Covering(host) {
		for _, p := range routes {
			if at, ok := p.entryAt(place, limit); ok && at == entry {
				return p, true
			}
		}
	}
	return Placed{}, false
}

// requestsOf returns the requests that an entry takes, or that it takes in the policies.
func requestsOf(r importer.Result, entry string) []string {
	requests := []string{placedHosts[entry]}
	for _, host := range placedHosts {
		covering := fields.Covering(host)
		i := slices.IndexFunc(covering, func(h string) bool {
			return slices.ContainsFunc(r.Policies, func(s policy.Spec) bool { return slices.Contains(s.Hosts, h) })
		})
		if i >= 0 && covering[i] == entry || i < 0 && entry == "" {
			requests = append(requests, host)
		}
	}
	return requests
}

// tells reports whether the report tells of a host. One that is redirected everywhere is told of
// with a wider one.
func tells(r importer.Result, host string) bool {
	return slices.ContainsFunc(fields.Covering(host), func(h string) bool { return tellsOf(r, h) })
}

// tellsOf reports whether a finding tells that another place answers a host otherwise.
func tellsOf(r importer.Result, host string) bool {
	return slices.ContainsFunc(toldPlaces(r), func(f source.Finding) bool { return f.Value == host || host == "" && f.Value == "*" })
}

func toldPlaces(r importer.Result) (all []source.Finding) {
	for _, f := range r.Findings {
		if f.Field == "hosts" && strings.HasPrefix(f.Message, "at another ") {
			all = append(all, f)
		}
	}
	return all
}
