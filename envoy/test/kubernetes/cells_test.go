//go:build linux

package kubernetes

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/server/servertest"
)

// edge is an Envoy of a control plane before the demo's upstream, which grants every
// origin by itself.
type edge struct {
	url string
	// host has a route, and guarded has one that wants a token; the token's filter answers
	// unauthorized.
	host, guarded string
	unauthorized  map[string]string
	routesAll     bool                  // there is no host without a route
	corsgate      *corsgatetest.Process // nil if nobody is asked
}

// cells are a row of the table in envoy/kubernetes/README.md, by the head of the column.
type cells map[string]string

// The heads of the columns.
const (
	columnPreflight = "answers a preflight"
	columnToken     = "401 of a JWT filter"
	columnRoute     = "404 without a route"
	columnOwn       = "upstream's own `*`"
	columnNone      = "without an `Origin`"
	columnOutage    = "corsgate down"
	columnCost      = "corsgate is asked"
)

// observe tries every cell, and ends corsgate for the last one.
func (e *edge) observe(t *testing.T) cells {
	t.Helper()
	c := cells{}
	c[columnPreflight] = e.answering(t, preflight(e.host, known))
	if guarded := e.answering(t, preflight(e.guarded, known)); guarded != c[columnPreflight] {
		c[columnPreflight] += ", before a token's filter " + guarded
	}
	c[columnCost] = e.costs(t)
	c[columnToken] = sharing(ask(t, e.url, e.tokenless()), http.StatusUnauthorized)
	if !e.routesAll {
		c[columnRoute] = sharing(ask(t, e.url, from("nowhere.test", known)), http.StatusNotFound)
	}
	c[columnOwn] = e.own(t)
	c[columnNone] = none(ask(t, e.url, from(e.host, "")))
	c[columnOutage] = e.outage(t)
	return c
}

// tokenless is a request of a page that lacks a good token.
func (e *edge) tokenless() request {
	r := from(e.guarded, known)
	for name, value := range e.unauthorized {
		r.header[name] = value
	}
	return r
}

// asked returns how many decisions corsgate has taken.
func (e *edge) asked(t *testing.T) int {
	t.Helper()
	if e.corsgate == nil {
		return 0
	}
	page, err := e.corsgate.Get(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "corsgate_decisions_total{") {
			sum += corsgatetest.Number(t, line, `\} (\d+)`)
		}
	}
	return sum
}

// answering tells who answers an allowed preflight.
func (e *edge) answering(t *testing.T, r request) string {
	t.Helper()
	before := e.asked(t)
	switch a := ask(t, e.url, r); {
	case a.status != http.StatusNoContent || a.allowed != known:
		return "nobody"
	case e.asked(t) > before:
		return "corsgate"
	}
	return "Envoy"
}

// costs tells for which requests corsgate is asked.
func (e *edge) costs(t *testing.T) string {
	t.Helper()
	before := e.asked(t)
	ask(t, e.url, from(e.host, ""))
	without := e.asked(t) - before
	ask(t, e.url, from(e.host, known))
	switch all := e.asked(t) - before; {
	case all == 0:
		return "never"
	case without == 0:
		return "with an `Origin`"
	}
	return "always"
}

// sharing tells whether a page may read an answer of Envoy's own.
func sharing(a answer, status int) string {
	switch {
	case a.status != status:
		return http.StatusText(a.status) + " instead"
	case a.allowed == known && a.varies():
		return "CORS headers"
	case a.cors > 0:
		return "others' headers"
	}
	return "bare"
}

// own tells what becomes of the upstream's own header for origins that are not allowed.
func (e *edge) own(t *testing.T) string {
	t.Helper()
	allowed, denied := ask(t, e.url, from(e.host, known)), ask(t, e.url, from(e.host, unknown))
	switch {
	case allowed.status != http.StatusOK || allowed.allowed != known || denied.status != http.StatusOK:
		return "wrong answers"
	case denied.cors == 0 && denied.varies():
		return "removed"
	case denied.allowed == "*":
		return "stays when denied"
	}
	return "unknown"
}

// none tells what a request without an Origin gets.
func none(a answer) string {
	switch {
	case a.status == http.StatusOK && a.cors == 0 && a.varies():
		return "removed, `Vary`"
	case a.allowed == "*" && a.varies():
		return "`*` stays, `Vary`"
	}
	return "unknown"
}

// delivered waits until Envoy serves the compiled policies.
func (e *edge) delivered(t *testing.T) {
	t.Helper()
	servertest.Await(t, "the delivery", func() bool {
		page, err := e.corsgate.Get(t.Context(), "/status")
		return err == nil && strings.Contains(page, `"state": "current"`)
	})
}

// outage tells what pages get when corsgate does not answer.
func (e *edge) outage(t *testing.T) string {
	t.Helper()
	if e.corsgate != nil {
		e.corsgate.Kill()
	}
	var seen string
	servertest.Await(t, "a settled outage", func() bool {
		now := e.duringOutage(t)
		settled := now == seen
		seen = now
		return settled
	})
	return seen
}

func (e *edge) duringOutage(t *testing.T) string {
	t.Helper()
	asked, allowed, denied := ask(t, e.url, preflight(e.host, known)), ask(t, e.url, from(e.host, known)), ask(t, e.url, from(e.host, unknown))
	switch {
	case asked.status == http.StatusNoContent && allowed.allowed == known && denied.cors == 0:
		return "nothing changes"
	case allowed.status == http.StatusOK && allowed.cors == 0 && denied.cors == 0 && allowed.varies():
		return "nothing is granted"
	case allowed.allowed == "*" && denied.allowed == "*":
		return "upstream's `*` leaks"
	}
	return "unknown"
}

// neighbour checks that a route's own CORS grants its origin nothing beside corsgate's
// policies, unless the variant lets upstreams grant something, too.
func (e *edge) neighbour(t *testing.T, row string) {
	t.Helper()
	const own = "https://native.example"
	if a := ask(t, e.url, preflight(native, own)); a.status != http.StatusForbidden || a.cors > 0 {
		t.Errorf("a preflight that the route's own CORS allows: %+v", a)
	}
	granted := ""
	if documented(t, row)[columnOwn] != "removed" {
		granted = own
	}
	if a := ask(t, e.url, from(native, own)); a.status != http.StatusOK || a.allowed != granted || !a.varies() {
		t.Errorf("a request that the route's own CORS allows: %+v, want %q", a, granted)
	}
}

// check compares what is seen with the row of the table.
func (e *edge) check(t *testing.T, row string) {
	t.Helper()
	want := documented(t, row)
	if e.routesAll {
		delete(want, columnRoute)
	}
	if diff := cmp.Diff(want, e.observe(t)); diff != "" {
		t.Errorf("%s: the table says -, and it is +:\n%s", row, diff)
	}
}

// demo checks the demo's four requests and two more.
func (e *edge) demo(t *testing.T, host string) {
	t.Helper()
	type seen struct {
		Status  int
		Allowed string
	}
	for _, tc := range []struct {
		name string
		request
		want seen
	}{
		{"an allowed preflight", preflight(host, known), seen{204, known}},
		{"a denied preflight", preflight(host, unknown), seen{403, ""}},
		{"an allowed request", from(host, known), seen{200, known}},
		{"a blocked request", blocked(host), seen{403, ""}},
	} {
		if a := ask(t, e.url, tc.request); (seen{a.status, a.allowed}) != tc.want {
			t.Errorf("%s on %s: got %+v, want %+v", tc.name, host, a, tc.want)
		}
	}
}
