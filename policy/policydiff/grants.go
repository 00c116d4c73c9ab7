package policydiff

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// The words of Grants.
const (
	// GrantSend: the request reaches the upstream.
	GrantSend = "send"
	// GrantRead: the page may read the response.
	GrantRead = "read"
	// GrantCredentials: with its user's cookies.
	GrantCredentials = "credentials"
	// GrantPreflight: the page may send the request that it asked for.
	GrantPreflight = "preflight"
	// GrantPrivateNetwork: also into a private network.
	GrantPrivateNetwork = "private-network"
	// GrantUpstream: the upstream's own CORS headers reach the page, whatever
	// they grant.
	GrantUpstream = "upstream"
	// GrantExpose, followed by a name: the page may read that response header.
	GrantExpose = "expose "
)

// Grants returns what d lets a page do, sorted.
func Grants(d *policy.Decision) []string {
	var grants []string
	switch {
	case d.Preflight && d.Reason == policy.ReasonPreflightAllowed:
		grants = append(headerGrants(&d.Verdict), GrantPreflight)
	case !d.Preflight && d.Answer.Action == policy.Edit:
		grants = headerGrants(&d.Verdict)
	}
	if !d.Preflight && d.Answer.Action != policy.Reply {
		grants = append(grants, GrantSend)
	}
	if d.Answer.Action == policy.Pass || d.Answer.Apply == policy.ApplyDefer {
		grants = append(grants, GrantUpstream)
	}
	slices.Sort(grants)
	return slices.Compact(grants)
}

// headerGrants returns what the headers of an answer grant.
func headerGrants(v *policy.Verdict) []string {
	var grants []string
	for _, h := range v.Answer.Headers {
		value := v.Value(h)
		if value == "" {
			continue
		}
		switch h.Name {
		case "access-control-allow-origin":
			grants = append(grants, GrantRead)
		case "access-control-allow-credentials":
			grants = append(grants, GrantCredentials)
		case "access-control-allow-private-network":
			grants = append(grants, GrantPrivateNetwork)
		case "access-control-expose-headers":
			for name := range strings.SplitSeq(value, ",") {
				grants = append(grants, GrantExpose+strings.TrimSpace(name))
			}
		}
	}
	return grants
}

// difference returns what now has and old has not, and the other way round.
func difference(old, now []string) (gained, lost []string) {
	return without(now, old), without(old, now)
}

// without returns the grants of all that have does not cover. Neither it nor
// Report ever has a nil list: their JSON is a list in any case.
func without(all, have []string) []string {
	rest := []string{}
	for _, grant := range all {
		if !covers(have, grant) {
			rest = append(rest, grant)
		}
	}
	return rest
}

// covers reports whether have has grant: without credentials, "expose *" is
// every name (Fetch, #http-access-control-expose-headers); with them it is
// refused at load.
func covers(have []string, grant string) bool {
	return slices.Contains(have, grant) ||
		strings.HasPrefix(grant, GrantExpose) && slices.Contains(have, GrantExpose+"*")
}

// class sums up what a page gets.
type class uint8

const (
	denied    class = iota
	undecided       // what the upstream says
	granted
)

func classOf(d *policy.Decision) class {
	grants := Grants(d)
	switch {
	case slices.Contains(grants, GrantRead):
		return granted
	case slices.Contains(grants, GrantUpstream):
		return undecided
	}
	return denied
}
