package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/respond"
)

// compare holds an answer to what the policies say.
func (p Prober) compare(q policy.Request, got respond.Response) []Finding {
	d := p.Policies.Decide(&q)
	want := respond.To(d, respond.Response{Status: got.Status, Headers: respond.Headers{}})
	switch {
	case d.Answer.Action == policy.Pass:
		return nil // the answer is the upstream's
	case d.Answer.Apply == policy.ApplyDefer && got.Headers.Joined(allowOrigin) != "":
		return nil // it may be the upstream's
	case q.Origin == "" && len(corsOf(got.Headers)) == 0 && varies(got.Headers):
		return nil // so Envoy answers if it does not ask, also for a public policy
	}
	differences, seen := differ(got, want)
	if differences == nil {
		return nil
	}
	level, of := policy.Error, "for the origin "+q.Origin
	if p.hasPort(q) {
		return []Finding{{Code: codeProbePort, Level: policy.Note, Place: p.place(q), What: "with the port in the host, " + of + ": " + strings.Join(differences, "; "),
			Seen:  "browsers write the port, if they ask this listener themselves and no load balancer is in between: " + seen,
			Write: "for that, --port " + p.URL.Port() + " where policies are compiled, and ignore_port_in_host_matching: true beside virtual_hosts"}}
	}
	if q.Origin == "" {
		level, of, seen = policy.Warning, "for a request without an Origin", "a cache may hand this answer to a page, which then reads what it should not, or is blocked"
	}
	return []Finding{{Code: codeProbe, Level: level, Place: p.place(q), What: of + ": " + strings.Join(differences, "; "), Seen: seen,
		Write: fmt.Sprintf("policy %s says %s: the findings above may say why Envoy does not answer so; \"corsgate explain\" says what it should answer", d.Policy, d.Reason)}}
}

// differ returns in what an answer differs from the right one, and what a user sees of the
// first difference.
func differ(got, want respond.Response) (differences []string, seen string) {
	add := func(effect, format string, args ...any) {
		differences, seen = append(differences, fmt.Sprintf(format, args...)), cmp.Or(seen, effect)
	}
	if got.Status != want.Status {
		add(statusSeen(got.Status, want.Status), "the status is %d, and should be %d", got.Status, want.Status)
	}
	have, should := corsOf(got.Headers), corsOf(want.Headers)
	for _, name := range originFirst(should) {
		if _, there := have[name]; !there {
			add(missingSeen(name), "%s is not there, and should be %q", name, should[name])
		}
	}
	for _, name := range names(have) {
		switch wanted, there := should[name]; {
		case !there:
			add("somebody else has written it, such as the upstream: a page may read what the policy does not let it", "%s is there, and should not be", name)
		case have[name] != wanted:
			add(wrongSeen(name), "%s is %.200q, and should be %q", name, have[name], wanted)
		}
	}
	if varies(want.Headers) && !varies(got.Headers) {
		add("a cache may hand this answer to a page of another origin, which browsers then block", "Vary has no Origin")
	}
	return differences, cmp.Or(seen, takenSeen(got.Status, want.Status))
}

// takenSeen says what a user sees of another ok status with the right headers.
func takenSeen(status, wanted int) string {
	if status == http.StatusOK && wanted == http.StatusNoContent {
		return "browsers take it, too: a compiled filter answers so if no route takes the request"
	}
	return "browsers take it, too, but something else answers than corsgate"
}

// originFirst returns the names of headers, the one first without which no page gets anything.
func originFirst(headers map[string]string) []string {
	list := names(headers)
	slices.SortStableFunc(list, func(a, b string) int {
		return cmp.Compare(strings.TrimPrefix(a, allowOrigin), strings.TrimPrefix(b, allowOrigin))
	})
	return list
}

// missingSeen says what a user sees if a header is not there that the policy has.
func missingSeen(name string) string {
	switch name {
	case corsPrefix + "max-age", corsPrefix + "expose-headers":
		return wrongSeen(name)
	case corsPrefix + "allow-credentials":
		return "browsers block requests with cookies or other credentials, which the policy allows"
	case corsPrefix + "allow-methods", corsPrefix + "allow-headers":
		return "browsers block requests with methods or headers that the policy allows"
	}
	return "browsers block what the policy allows"
}

// wrongSeen says what a user sees if a header has another value. Two of them only bound how
// long a preflight lasts and what a page may read (Fetch, section "HTTP responses").
func wrongSeen(name string) string {
	switch name {
	case corsPrefix + "max-age":
		return "browsers send preflights more often or more seldom than the policy says"
	case corsPrefix + "expose-headers":
		return "pages can read other headers of answers than the policy says"
	}
	return "browsers compare it with the page's origin or request, and may block or allow wrongly"
}

// statusSeen says what a user sees of a wrong status, or "" if that depends on the headers:
// browsers take each ok status for a preflight's answer (Fetch, section "CORS-preflight
// fetch").
func statusSeen(status, wanted int) string {
	switch {
	case isOK(status) && isOK(wanted):
		return ""
	case slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusFound}, status):
		return "something refuses before corsgate answers, or Envoy has other policies; browsers block"
	case status == http.StatusNotFound:
		return "no route takes the request, or something else answers than corsgate"
	}
	return "something else answers than corsgate"
}

// isOK reports whether a status is an ok status (Fetch, section "Statuses").
func isOK(status int) bool { return 200 <= status && status <= 299 }

// corsOf returns the CORS headers, the lines of one name joined.
func corsOf(h respond.Headers) map[string]string {
	found := map[string]string{}
	for name := range maps.Keys(h) {
		if isCORS(name) {
			found[name] = h.Joined(name)
		}
	}
	return found
}

// varies reports whether Vary keeps the answers to origins apart (Fetch, section "CORS
// protocol and HTTP caches").
func varies(h respond.Headers) bool {
	return slices.ContainsFunc(h.Members("vary"), func(member string) bool { return member == "*" || strings.EqualFold(member, "origin") })
}
