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

// isAt reports whether p answers at a place.
func (p Placed) isAt(place string) bool {
	return slices.ContainsFunc(p.At, func(at string) bool { return within(place, at) })
}

func within(place, other string) bool { return place == other || strings.HasPrefix(place, other+"/") }

// meets reports whether both answer the same host at the same place.
func (p Placed) meets(other Placed) bool {
	return p.Host == other.Host && slices.ContainsFunc(p.At, func(at string) bool {
		return other.isAt(at) || slices.ContainsFunc(other.At, func(of string) bool { return within(of, at) })
	})
}

// placedHosts are the hosts of routes, each with a request that no closer one takes.
var placedHosts = map[string]string{
	"a.b.example": "a.b.example", "*.b.example": "x.b.example", "*.example": "x.example", "": "x.test",
}

// Places makes up routes for hosts within each other at some of the places, of which policies
// know none. It wants the report to tell of each host that a place answers otherwise than the
// policies, and of no other one. write returns the configuration.
func Places(t *testing.T, places []string, read func([]tree.Node) source.Config, write func(r *rand.Rand, routes []Placed) string) {
	t.Helper()
	told := 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 7))
		routes := placed(r, places)
		text := write(r, routes)
		result, send := Import(t, read, text)
		told += len(toldPlaces(result))
		for _, p := range routes {
			request := placedHosts[p.Host]
			differs := otherwise(routes, places, send, request)
			// A host that is redirected everywhere is told of with a wider one.
			tells := slices.ContainsFunc(fields.Covering(request), func(h string) bool { return tellsOf(result, h) })
			if differs && !tells || !differs && tellsOf(result, p.Host) {
				t.Fatalf("seed %d: a place answers %s otherwise than the policies: %t; the report does not say that\n%s%s%s", seed, request, differs, text, result.Text(), result.Report())
			}
		}
	}
	if told == 0 {
		t.Error("no report tells of another place: nothing was compared")
	}
}

// placed makes up routes of which no two meet.
func placed(r *rand.Rand, places []string) (routes []Placed) {
	entries := slices.Sorted(maps.Keys(placedHosts))
	for i := range 2 + r.IntN(5) {
		p := Placed{Host: entries[r.IntN(len(entries))], Redirects: r.IntN(4) == 0}
		if !p.Redirects && r.IntN(2) == 0 {
			p.Origin = fmt.Sprintf("https://r%d.example", i)
		}
		for range 1 + r.IntN(2) {
			at := places[r.IntN(len(places))]
			if !p.isAt(at) && !p.meets(Placed{Host: p.Host, At: []string{at}}) {
				p.At = append(p.At, at)
			}
		}
		if !slices.ContainsFunc(routes, p.meets) {
			routes = append(routes, p)
		}
	}
	return routes
}

// otherwise reports whether the routes at a place send a request on, and allow another origin
// than the policies.
func otherwise(routes []Placed, places []string, send Send, host string) bool {
	var allowed []string
	for _, p := range routes {
		answer := send(http.MethodGet, host, "/", browser.Headers{{Name: "Origin", Value: p.Origin}})
		if _, ok := answer.Headers.Get("Access-Control-Allow-Origin"); ok {
			allowed = append(allowed, p.Origin)
		}
	}
	for _, place := range places {
		// A part of a place that no route names is asked, too.
		for _, at := range []string{place, place + "/rest"} {
			p, ok := answering(routes, at, host)
			if ok && !p.Redirects && p.Origin != strings.Join(allowed, " ") {
				return true
			}
		}
	}
	return false
}

// answering returns the route at a place for the closest host.
func answering(routes []Placed, place, host string) (Placed, bool) {
	for _, entry := range fields.Covering(host) {
		for _, p := range routes {
			if p.Host == entry && p.isAt(place) {
				return p, true
			}
		}
	}
	return Placed{}, false
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
