package differential

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/policy/respond"
	"github.com/corsgate/corsgate/server/servertest"
)

var (
	exchanges = flag.Int("exchanges", 0, "how many exchanges TestDecide compares at least; 0 means some thousand")
	seed      = flag.Uint64("seed", 1, "the first seed of TestDecide")
)

const (
	// perSet is how many exchanges are tried on a set of policies.
	perSet = 500
	// senders send at the same time.
	senders = 8
	// maxShown is how many differences of an Envoy are shown.
	maxShown = 5
)

// service says whether anybody answers what Envoy asks.
type service int

const (
	serves service = iota
	dead           // Envoy's configuration names one that does not run
	absent         // it names none
)

// variant is one kind of Envoy.
type variant struct {
	name     string
	service  service
	compiled envoy.Compiled
	// named are virtual hosts, and the policies that they name.
	named map[string]string
	// asWritten has Envoy leave paths as they are.
	asWritten bool
}

// named are virtual hosts that name a policy, and one that names none that exists. Of
// namedByRoute the route does.
var named = map[string]string{"named.test": "p3", namedByRoute: "p4", "unknown.test": "no-such-policy"}

const namedByRoute = "other.test"

var variants = []variant{
	{name: "plain", compiled: envoy.Compiled{PolicyNames: true}},
	{name: "ports", compiled: envoy.Compiled{PolicyNames: true, Ports: []uint16{8443, 443, 80}}},
	{name: "shards", compiled: envoy.Compiled{PolicyNames: true, Ports: []uint16{8443}, Shards: 3}},
	{name: "named", compiled: envoy.Compiled{PolicyNames: true, NamedPolicies: true}, named: named},
	{name: "without-names", compiled: envoy.Compiled{Shards: 2}},
	{name: "as-written", compiled: envoy.Compiled{PolicyNames: true}, asWritten: true},
	{name: "lua", compiled: envoy.Compiled{PolicyNames: true, Reply: notrip.ByLua}},
	{name: "feed", compiled: envoy.Compiled{PolicyNames: true, Shards: 2, NamedPolicies: true, Feed: envoy.WholeFeed}, named: named},
	{name: "dead", service: dead, compiled: envoy.Compiled{PolicyNames: true, Ports: []uint16{8443}, NamedPolicies: true}, named: named},
	{name: "absent", service: absent, compiled: envoy.Compiled{PolicyNames: true, Ports: []uint16{8443}, NamedPolicies: true}, named: named},
}

// TestDecide holds each kind of Envoy to policy.Decide.
func TestDecide(t *testing.T) {
	var total tally
	var mu sync.Mutex
	t.Cleanup(func() {
		t.Logf("all: %v", &total)
		total.checkReasons(t)
	})
	for i, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			counted := v.run(t, uint64(i), setsOfEach())
			t.Log(counted)
			mu.Lock()
			defer mu.Unlock()
			total.add(counted)
		})
	}
}

// setsOfEach is how many sets of policies each kind of Envoy gets.
func setsOfEach() int {
	wanted := *exchanges
	if wanted == 0 {
		wanted = perSet * len(variants)
		if os.Getenv("CORSGATE_TEST") == "full" {
			wanted *= 2
		}
	}
	each := perSet * len(variants)
	return (wanted + each - 1) / each
}

// run tries that many sets of policies, one after the other, on one Envoy. Each has a
// seed of its own; the stream tells variants apart that have the same.
func (v variant) run(t *testing.T, stream uint64, sets int) *tally {
	total := &tally{}
	var s *stack
	for i := range uint64(sets) {
		g := newGen(*seed+i, stream)
		w := newWorld(t, g, *seed+i+stream)
		if s == nil {
			s = start(t, v, w)
		} else {
			s.load(t, w)
		}
		round := s.newRound(g, w, *seed+i)
		round.send(t)
		total.add(round.compare(t))
		if i%20 == 19 {
			t.Logf("seed %d: %d compared, %d asked", *seed+i, total.compared, total.asked)
		}
		if total.different > maxShown {
			t.Fatalf("seed %d: too many differences", *seed+i)
		}
	}
	return total
}

// round are the exchanges that are tried on one set of policies.
type round struct {
	*stack
	world     *world
	exchanges []*exchange
}

func (s *stack) newRound(g gen, w *world, seed uint64) *round {
	r := &round{stack: s, world: w}
	m := maker{gen: g, world: w, ports: s.compiled.Ports, named: slices.Sorted(maps.Keys(s.named)), aims: aims(s.asWritten)}
	answers := map[string]respond.Response{}
	for i := range perSet {
		e := &exchange{id: fmt.Sprintf("seed %d, %d", seed, i), overHTTP2: m.oneIn(3)}
		e.Case = cases.Case{Client: m.request(e.overHTTP2), Upstream: m.answer()}
		e.Policy = s.named[withoutPort(e.Client.Host)]
		e.Client.Headers[caseHeader] = []string{e.id}
		r.exchanges = append(r.exchanges, e)
		answers[e.id] = e.Upstream
	}
	s.upstream.tell(answers)
	s.asked.reset()
	s.told.reset()
	return r
}

// withoutPort returns the name of the virtual host of an authority.
func withoutPort(authority string) string {
	host, _, _ := strings.Cut(authority, ":")
	return strings.ToLower(host)
}

// send sends all exchanges and reads the log of them.
func (r *round) send(t *testing.T) {
	t.Helper()
	queue := make(chan *exchange)
	var running sync.WaitGroup
	for range senders {
		running.Go(func() {
			c := &client{address: r.envoy.Listeners["traffic"]}
			defer c.close()
			for e := range queue {
				e.got.Response, e.err = c.send(e.Client, e.overHTTP2)
			}
		})
	}
	for _, e := range r.exchanges {
		queue <- e
	}
	close(queue)
	running.Wait()
	r.awaitLog(t)
}

// awaitLog reads the log until it tells of each exchange that was answered, but for
// those that Envoy's codec has refused: of some of these it does not know the case.
func (r *round) awaitLog(t *testing.T) {
	t.Helper()
	missing := map[string]*exchange{}
	for _, e := range r.exchanges {
		if e.passed() {
			missing[e.id] = e
		}
	}
	servertest.Await(t, "an access log of all exchanges", func() bool {
		for _, line := range r.log.more(t) {
			if e := missing[line.Case]; e != nil {
				e.log = line
				delete(missing, line.Case)
			}
		}
		return len(missing) == 0
	})
}

// passed reports whether the request has passed Envoy's codec: nobody behind that
// answers 400. An upgrade that is not a WebSocket's does not reach the filters either.
func (e *exchange) passed() bool {
	return e.err == nil && e.got.Response.Status != http.StatusBadRequest && e.log.Details != "upgrade_failed"
}

// compare compares all exchanges and counts them.
func (r *round) compare(t *testing.T) *tally {
	t.Helper()
	counted := &tally{}
	var told []policy.Request
	for _, e := range r.exchanges {
		if !e.passed() {
			counted.count("refused by Envoy's codec")
			continue
		}
		e.read(r.world, r.upstream)
		counted.compared++
		asked := e.refused() || r.asked.take(e.seen)
		lines := append(e.compare(r.variant, r.world, asked), r.compareAsked(e, asked)...)
		if asked {
			kind := e.kindOf(r.variant, r.world)
			if kind == "" {
				lines = append(lines, "asked about, for no reason")
			}
			counted.asked++
			counted.count("asked: " + kind)
		} else {
			counted.count("decided: " + e.decided.Reason)
			if r.compiled.Feed > 0 && e.seen.Origin != "" {
				told = append(told, e.seen)
			}
		}
		if len(lines) > 0 {
			if counted.different++; counted.different <= maxShown {
				t.Error(e.report(r.world, lines))
			}
		}
	}
	for _, q := range r.asked.left() {
		t.Errorf("corsgate was asked about what nobody sent: %+q", q)
	}
	r.awaitTold(t, told)
	return counted
}

// compareAsked compares with what is said of a request beforehand.
func (s *stack) compareAsked(e *exchange, asked bool) []string {
	said, err := s.asks(&e.seen)
	switch {
	case err != nil:
		return []string{err.Error()}
	case said != asked && isText(e.seen):
		return []string{fmt.Sprintf("asked about: %t, said to be %t", asked, said)}
	}
	return nil
}

// isText reports whether all that decides is UTF-8.
func isText(r policy.Request) bool {
	return utf8.ValidString(r.Authority + r.Path + r.Method + r.Origin + r.RequestMethod + r.RequestHeaders + r.RequestPrivateNetwork +
		r.SecFetchSite + r.Upgrade + r.Protocol)
}

// tally counts exchanges.
type tally struct {
	compared, asked, different int
	kinds                      map[string]int
}

func (c *tally) count(kind string) {
	if c.kinds == nil {
		c.kinds = map[string]int{}
	}
	c.kinds[kind]++
}

func (c *tally) add(o *tally) {
	c.compared, c.asked, c.different = c.compared+o.compared, c.asked+o.asked, c.different+o.different
	for kind, n := range o.kinds {
		c.count(kind)
		c.kinds[kind] += n - 1
	}
}

// String tells how many were decided by Envoy itself and how many it asked about, and
// the kinds of these, the most frequent first.
func (c *tally) String() string {
	kinds := slices.SortedFunc(maps.Keys(c.kinds), func(a, b string) int { return cmp.Compare(c.kinds[b], c.kinds[a]) })
	var b strings.Builder
	fmt.Fprintf(&b, "%d compared, %d different; %d decided by Envoy itself, %d asked", c.compared, c.different, c.compared-c.asked, c.asked)
	for _, kind := range kinds {
		fmt.Fprintf(&b, "\n%6d %s", c.kinds[kind], kind)
	}
	return b.String()
}

// compiles are the reasons of what Envoy decides by itself.
var compiles = []policy.Reason{
	policy.ReasonNoPolicy, policy.ReasonPolicyOff, policy.ReasonNotCORS, policy.ReasonPreflightAllowed, policy.ReasonPreflightOriginDenied,
	policy.ReasonPreflightMethodDenied, policy.ReasonPreflightHeaderDenied, policy.ReasonPreflightMalformed, policy.ReasonRequestAllowed,
	policy.ReasonRequestOriginDenied, policy.ReasonRequestBlocked, policy.ReasonSameOrigin,
}

// checkReasons wants Envoy to have decided for each of the reasons that it can.
func (c *tally) checkReasons(t *testing.T) {
	t.Helper()
	if c.compared < perSet*len(variants)/2 {
		return // only some kinds of Envoy were tried
	}
	for _, reason := range compiles {
		if c.kinds["decided: "+reason.String()] == 0 {
			t.Errorf("nothing was decided by Envoy itself for the reason %v", reason)
		}
	}
}
