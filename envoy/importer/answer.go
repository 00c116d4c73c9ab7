package importer

import (
	"reflect"
	"slices"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// answer is what a policy says besides its name and what it covers.
type answer struct {
	spec     policy.Spec
	findings []source.Finding
}

// live reports whether the answer grants anything to anybody.
func (a *answer) live() bool { return a.spec.Mode == "" || a.spec.Mode == policy.ModeEnforce }

// same reports whether two lanes answer alike. A policy that is off until somebody decides
// about it is not like one that is off in the source.
func same(a, b *lane) bool {
	if !a.acts() || !b.acts() {
		return a.acts() == b.acts() && a.waits() == b.waits()
	}
	return reflect.DeepEqual(a.answer.spec, b.answer.spec)
}

// translation makes an answer of a route.
type translation struct {
	cors    *source.CORS
	options Options
	*answer
	// at has the place of each origin that is written.
	at     map[string]source.Text
	proofs *proofs
	asked  map[optInAt]bool // opt-ins that were told
}

// translate returns what a policy has to say to answer like the source.
func translate(c *source.CORS, o Options, proofs *proofs) *answer {
	t := translation{cors: c, options: o, answer: &answer{}, at: map[string]source.Text{}, proofs: proofs, asked: map[optInAt]bool{}}
	t.spec.CORS.AllowCredentials = c.Credentials
	t.spec.Mode = c.Mode
	t.origins()
	t.granted()
	t.expose()
	t.maxAge()
	t.otherwise()
	t.optIns()
	return t.answer
}

// tell adds a finding at a place.
func (t *translation) tell(f source.Fidelity, at source.Text, field, message, hint string) {
	t.findings = append(t.findings, source.Finding{Fidelity: f, Place: at.Place, Field: field, Value: at.Text, Message: message, Hint: hint})
}

// otherwise tells what the source does beside its headers, and keeps it if that is asked for.
func (t *translation) otherwise() {
	c, s := t.cors, &t.spec
	if s.Mode == policy.ModeOff {
		return // it touches nothing
	}
	if !slices.Contains(s.CORS.AllowOrigins, "*") { // which denies nobody
		s.DeniedRequests = c.Denied
	}
	if c.ForwardsUnmatched && t.options.Unmatched == policy.UnmatchedForward {
		s.UnmatchedPreflights = policy.UnmatchedForward
	} else if c.ForwardsUnmatched {
		t.tell(source.Differs, source.Text{}, "unmatchedPreflights",
			"the source sends a preflight of an unknown origin to the application; corsgate answers it with 403", "--unmatched forward keeps it")
	}
	if c.KeepsUpstream && t.options.Upstream == policy.UpstreamDefer {
		s.UpstreamHeaders = policy.UpstreamDefer
		t.tell(source.Differs, source.Text{}, "upstreamHeaders",
			"an answer of the application that has Access-Control-Allow-Origin stays as it is, for origins that the policy allows, too", "")
	} else if c.KeepsUpstream {
		t.tell(source.Differs, source.Text{}, "upstreamHeaders",
			"in the source the CORS headers of the application reach the page; corsgate replaces them", "--upstream defer leaves answers alone that have Access-Control-Allow-Origin")
	}
	s.AllowPrivateNetwork = c.PrivateNetwork
}
