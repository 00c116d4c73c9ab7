package nginx

import (
	"fmt"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// refusal is what nginx does with requests of some origins: it refuses them by itself, and
// lets the same requests of others pass.
type refusal struct {
	methods methodSet // empty: it refuses none
	by      *directive
	some    bool // requests of other origins pass that are not allowed either
	read    bool // pages may read the refusal
}

// methodSet are some of the deniable methods, as bits.
type methodSet uint8

// deniable are methods whose requests a policy may refuse.
var deniable = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

const (
	get         methodSet = 1 << iota
	everyMethod methodSet = 1<<5 - 1
)

// requests names them in a message.
func (m methodSet) requests() string {
	if _, exact := m.denied(); exact {
		return "requests"
	}
	var names []string
	for i, name := range deniable {
		if m>>i&1 == 1 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ") + " requests"
}

// denied is what a policy calls it if requests of these methods are refused, at least, and exact says
// that it refuses no more.
func (m methodSet) denied() (d policy.DeniedRequests, exact bool) {
	if m&get == 0 {
		return policy.DeniedBlockUnsafe, m == everyMethod&^get
	}
	return policy.DeniedBlock, m == everyMethod
}

// refused finds the origins whose requests nginx refuses. That allows nothing, whatever the
// headers of the refusal are, unless it is only about methods that most pages do without.
func (s *site) refused(paths []way, literals []literalEntry) (found refusal) {
	var answers []*answer
	least := everyMethod
	for i := range paths {
		answers = append(answers, &paths[i].answer)
	}
	for i := range literals {
		least &= literals[i].answer.refuses
		if literals[i].isSent() {
			answers = append(answers, &literals[i].answer)
		}
	}
	for _, a := range answers {
		least &= a.refuses
	}
	for _, a := range answers {
		if a.refuses == least {
			found.some = found.some || a.verdict == denied
			continue
		}
		found.add(a)
	}
	found.some = found.some || everybody(paths).refuses == least
	return found
}

// add adds the requests of an origin.
func (r *refusal) add(a *answer) {
	r.some = r.some || r.methods != 0 && r.methods != a.refuses
	r.methods |= a.refuses
	r.by = a.by
	if _, exact := a.refuses.denied(); exact || a.refuses&get != 0 {
		r.read = r.read || a.verdict != denied
		a.verdict = denied
	}
}

func (s *site) tellRefusal(r refusal, fidelity source.Fidelity, message, hint string) {
	s.findings.add(source.Finding{
		Fidelity: fidelity, Place: r.by.Place, Field: "deniedRequests", Value: r.by.name + " " + strings.Join(r.by.args, " "), Message: message, Hint: hint,
	})
}

// denied returns what a policy says of the requests of other origins.
func (s *site) denied(r refusal) policy.DeniedRequests {
	kind, exact := r.methods.denied()
	switch {
	case r.methods == 0:
		return ""
	case !exact:
		s.tellRefusal(r, source.Decide, "nginx refuses "+r.methods.requests()+" of some origins by itself, and a policy refuses those with every method, or with every one but GET, HEAD and OPTIONS: they go to the application",
			fmt.Sprintf("to refuse the others, too, write deniedRequests: %s, and no such origin into allowOrigins", kind))
		return ""
	case r.some:
		s.tellRefusal(r, source.Decide, "nginx refuses requests of some origins by itself, and a policy refuses those of all that it does not allow, or none: they go to the application",
			fmt.Sprintf("write deniedRequests: %s to refuse all of them", kind))
		return ""
	}
	s.tellRefusal(r, source.Differs, "nginx refuses requests of other origins by itself, and so does the policy; requests of the host's own pages, and those without an Origin, go to the application", "")
	if r.read {
		s.tellRefusal(r, source.Narrowed, "pages whose requests nginx refuses may read its answers, since these have Access-Control-Allow-Origin; with the policy they may not", "")
	}
	return kind
}

// onlyRefuses tells of a location that refuses origins, and lets no page read anything.
func (s *site) onlyRefuses(r refusal) {
	if kind, _ := r.methods.denied(); r.methods != 0 {
		s.tellRefusal(r, source.Decide, "nginx refuses "+r.methods.requests()+" of some origins here, and adds no CORS headers to answers to others; a policy that refuses them lets the pages of others read, so there is none",
			fmt.Sprintf("write a policy with deniedRequests: %s, and allowOrigins with those that may read", kind))
	}
}

// refusesToo tells of refusals where nothing is imported.
func (s *site) refusesToo(r refusal) {
	if kind, _ := r.methods.denied(); r.methods != 0 {
		s.tellRefusal(r, source.Decide, "nginx refuses "+r.methods.requests()+" of some origins here, and that is not imported either: they go to the application",
			fmt.Sprintf("write a policy with deniedRequests: %s, and allowOrigins with those that may read", kind))
	}
}
