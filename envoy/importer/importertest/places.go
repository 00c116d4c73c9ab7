package importertest

import (
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

// Place is where a system takes requests.
type Place struct {
	// Name is what routes are at: "a", or "a/b" for a part of "a".
	Name string
	// Host is the one that it takes, "" is every host.
	Host string
	// Socket is the same for places of which the one for the closest host takes a request.
	Socket string
}

// entryOf returns the host for which p answers at a place; "" is every host.
func (w world) entryOf(p Placed, at Place) (entry string, ok bool) {
	isAt := slices.ContainsFunc(p.At, func(name string) bool { return at.Name == name || strings.HasPrefix(at.Name, name+"/") })
	switch {
	case !isAt:
		return "", false
	case at.Host == "", p.Host == at.Host, fields.IsWider([]string{at.Host}, p.Host):
		entry = p.Host
	case p.Host == "", fields.IsWider([]string{p.Host}, at.Host):
		entry = at.Host
	default:
		return "", false
	}
	return entry, w.takes(at, entry)
}

// takes reports whether a place takes the requests for a host, and not one for a closer host at its
// socket.
func (w world) takes(at Place, host string) bool {
	covering := fields.Covering(host)
	own := slices.Index(covering, at.Host)
	return own >= 0 && !slices.ContainsFunc(w.asked, func(other Place) bool {
		return other.Socket == at.Socket && slices.Contains(covering[:own], other.Host)
	})
}

// world is all that a configuration has.
type world struct {
	asked  []Place
	routes []Placed
}

// placedHosts are the hosts of routes, each with a request that no closer one takes.
var placedHosts = map[string]string{
	"a.b.example": "a.b.example", "*.b.example": "x.b.example", "*.example": "x.example", "": "x.test",
}

// Places makes up routes for hosts within each other at some of the names, of which policies know
// none. It wants the report to tell of each host that a place answers otherwise than the policies,
// and of no other one. asked are all places. write returns the configuration.
func Places(t *testing.T, names []string, asked []Place, read func([]tree.Node) source.Config, write func(r *rand.Rand, routes []Placed) string) {
	t.Helper()
	told := 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := world{asked: asked}
		w.place(r, names)
		text := write(r, w.routes)
		result, send := Import(t, read, text)
		told += len(toldPlaces(result))
		differs := func(request string) bool { return w.differs(send, request) }
		for _, entry := range w.entries() {
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

// place makes up routes of which no two are for the same host at the same place.
func (w *world) place(r *rand.Rand, names []string) {
	entries := slices.Sorted(maps.Keys(placedHosts))
	for range 2 + r.IntN(5) {
		p := Placed{Host: entries[r.IntN(len(entries))], Redirects: r.IntN(4) == 0}
		if !p.Redirects && r.IntN(2) == 0 {
			p.Origin = placedOrigins[r.IntN(len(placedOrigins))]
		}
		for range 1 + r.IntN(2) {
			at := names[r.IntN(len(names))]
			if !slices.ContainsFunc(p.At, func(of string) bool { return strings.HasPrefix(at, of) || strings.HasPrefix(of, at) }) {
				p.At = append(p.At, at)
			}
		}
		if !slices.ContainsFunc(w.routes, func(q Placed) bool { return w.meet(p, q) }) {
			w.routes = append(w.routes, p)
		}
	}
}

// placedOrigins are what routes allow.
var placedOrigins = []string{"https://one.example", "https://two.example", "https://three.example"}

// meet reports whether both are for the same host at the same place.
func (w world) meet(p, q Placed) bool {
	return slices.ContainsFunc(w.asked, func(at Place) bool {
		a, one := w.entryOf(p, at)
		b, two := w.entryOf(q, at)
		return one && two && a == b
	})
}

// entries returns the hosts of all routes, as far as places take them.
func (w world) entries() (entries []string) {
	for _, at := range w.asked {
		for _, p := range w.routes {
			if entry, ok := w.entryOf(p, at); ok {
				entries = append(entries, entry)
			}
		}
	}
	slices.Sort(entries)
	return slices.Compact(entries)
}

// differs reports whether the routes at a place send a request on, and allow another origin than the
// policies.
func (w world) differs(send Send, host string) bool {
	var allowed []string
	for _, origin := range placedOrigins {
		answer := send(http.MethodGet, host, "/", browser.Headers{{Name: "Origin", Value: origin}})
		if _, ok := answer.Headers.Get("Access-Control-Allow-Origin"); ok {
			allowed = append(allowed, origin)
		}
	}
	return slices.ContainsFunc(w.asked, func(at Place) bool {
		p, ok := w.answering(at, host)
		return ok && !p.Redirects && p.Origin != strings.Join(allowed, " ")
	})
}

// answering returns the route at a place for the closest host.
func (w world) answering(at Place, host string) (Placed, bool) {
	if !w.takes(at, host) {
		return Placed{}, false
	}
	for _, entry := range fields.Covering(host) {
		for _, p := range w.routes {
			if of, ok := w.entryOf(p, at); ok && of == entry {
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
