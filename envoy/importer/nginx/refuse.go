package nginx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// refusal is what nginx does with requests of some origins: it refuses them by itself, and
// lets the same requests of others pass.
type refusal struct {
	kind policy.DeniedRequests // empty: it refuses none
	by   *directive
	some bool // requests of other origins pass that are not allowed either
	read bool // pages may read the refusal
}

// refusals from the least to the most.
var refusals = []policy.DeniedRequests{"", policy.DeniedBlockUnsafe, policy.DeniedBlock}

// refusalOf is what a policy calls it if nginx refuses requests of these methods.
func refusalOf(refused func(method string) bool) policy.DeniedRequests {
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		if !refused(method) {
			return ""
		}
	}
	if refused("GET") {
		return policy.DeniedBlock
	}
	return policy.DeniedBlockUnsafe
}

// refused finds the origins whose requests nginx refuses. That allows nothing, whatever the
// headers of the refusal are.
func (s *site) refused(paths []way, literals []literalEntry) (found refusal) {
	var answers []*answer
	level := func(a answer) int { return slices.Index(refusals, a.refuses) }
	least := len(refusals)
	for i := range paths {
		answers = append(answers, &paths[i].answer)
	}
	for i := range literals {
		least = min(least, level(literals[i].answer))
		if literals[i].isSent() {
			answers = append(answers, &literals[i].answer)
		}
	}
	for _, a := range answers {
		least = min(least, level(*a))
	}
	for _, a := range answers {
		if level(*a) == least {
			found.some = found.some || a.verdict == denied
			continue
		}
		found.some = found.some || found.kind != "" && found.kind != a.refuses
		found.read = found.read || a.verdict != denied
		found.kind, found.by, a.verdict = a.refuses, a.by, denied
	}
	found.some = found.some || level(everybody(paths)) <= least
	return found
}

func (s *site) tellRefusal(r refusal, fidelity source.Fidelity, message, hint string) {
	s.findings.add(source.Finding{
		Fidelity: fidelity, Place: r.by.Place, Field: "deniedRequests", Value: r.by.name + " " + strings.Join(r.by.args, " "), Message: message, Hint: hint,
	})
}

// denied returns what a policy says of the requests of other origins.
func (s *site) denied(r refusal) policy.DeniedRequests {
	switch {
	case r.kind == "":
		return ""
	case r.some:
		s.tellRefusal(r, source.Decide, "nginx refuses requests of some origins by itself, and a policy refuses those of all that it does not allow, or none: they go to the application",
			fmt.Sprintf("write deniedRequests: %s to refuse all of them", r.kind))
		return ""
	}
	s.tellRefusal(r, source.Differs, "nginx refuses requests of other origins by itself, and so does the policy; requests of the host's own pages, and those without an Origin, go to the application", "")
	if r.read {
		s.tellRefusal(r, source.Narrowed, "pages whose requests nginx refuses may read its answers, since these have Access-Control-Allow-Origin; with the policy they may not", "")
	}
	return r.kind
}

// onlyRefuses tells of a location that refuses origins, and lets no page read anything.
func (s *site) onlyRefuses(r refusal) {
	if r.kind != "" {
		s.tellRefusal(r, source.Decide, "nginx refuses requests of some origins here, and adds no CORS headers to answers to others; a policy that refuses them lets the pages of others read, so there is none",
			fmt.Sprintf("write a policy with deniedRequests: %s, and allowOrigins with those that may read", r.kind))
	}
}

// refusesToo tells of refusals where nothing is imported.
func (s *site) refusesToo(r refusal) {
	if r.kind != "" {
		s.tellRefusal(r, source.Decide, "nginx refuses requests of some origins here, and that is not imported either: they go to the application",
			fmt.Sprintf("write a policy with deniedRequests: %s, and allowOrigins with those that may read", r.kind))
	}
}
