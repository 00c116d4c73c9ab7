package cases

import (
	"maps"
	"slices"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/respond"
)

// Case is one situation and what must come of it. It is only read once Parse
// has returned it.
type Case struct {
	// Name is a sentence, unique in its file, and Why says where its rule stands.
	Name, Why string
	// Line is where the case begins in its file.
	Line int
	// Policy is the name of the policy that Envoy gives; empty: none.
	Policy string
	// Client is what the client sends, Upstream what the upstream would answer.
	Client   Request
	Upstream respond.Response
	// Only are the profiles that it can run in, nil for all, and Because says
	// what stands against the others.
	Only    []Profile
	Because string

	want      Outcome
	except    map[Profile]exception
	overlooks overlooks
}

// overlooks are the parts of an Outcome that a case does not compare; the zero
// value overlooks nothing. With some, headers that are not wanted are overlooked.
type overlooks struct {
	some, policy, reason, shadow, status, forwarded bool
	shadowPolicy, shadowReason, shadowDiffers       bool // of a shadow
}

// exception is what one profile makes of a case.
type exception struct {
	because string
	want    Outcome
}

// Runs reports whether the case can run in that profile.
func (c Case) Runs(p Profile) bool { return c.Only == nil || slices.Contains(c.Only, p) }

// Asked reports whether that profile tells what was decided. Of requests without
// an Origin some do not: Envoy does not ask about them, or in NoTrip decides
// without a note, unless it names a policy and so asks.
func (c Case) Asked(p Profile) bool {
	named := p == NoTrip && c.Policy != ""
	return p.asksWithoutOrigin() || named || c.Client.Headers.Joined("origin") != ""
}

// Want returns what must come of the case in that profile, and why it is not
// what the other profiles want; because is empty when it is.
func (c Case) Want(p Profile) (want Outcome, because string) {
	want = c.want
	if x, otherwise := c.except[p]; otherwise {
		want, because = x.want, x.because
	}
	if !c.Asked(p) {
		want.Policy, want.Reason, want.Shadow = "", "", nil
	}
	return want, because
}

// Request returns the request as a decision sees it.
func (c Case) Request() policy.Request {
	h := c.Client.Headers
	return policy.Request{
		Policy:                c.Policy,
		Method:                c.Client.Method,
		Authority:             c.Client.Host,
		Path:                  c.Client.Path,
		Protocol:              c.Client.Protocol,
		Origin:                h.Joined("origin"),
		RequestMethod:         h.Joined("access-control-request-method"),
		RequestHeaders:        h.Joined("access-control-request-headers"),
		RequestPrivateNetwork: h.Joined("access-control-request-private-network"),
		SecFetchSite:          h.Joined("sec-fetch-site"),
		Upgrade:               h.Joined("upgrade"),
	}
}

// Decide returns what comes of the case by set alone.
func (c Case) Decide(set *policy.Set) Outcome {
	r := c.Request()
	return OutcomeOf(set.Decide(&r), c.Upstream)
}

// Check decides about the case by set alone, and returns one line for each
// difference from what it wants.
func (c Case) Check(set *policy.Set) []string {
	want, _ := c.Want(Decide)
	got := c.Decide(set)
	c.overlooks.hide(&got, want)
	return got.diff(want, c.overlooks)
}

// hide makes the overlooked parts of got those that are wanted.
func (o overlooks) hide(got *Outcome, want Outcome) {
	if !o.some {
		return
	}
	adopt(o.policy, &got.Policy, want.Policy)
	adopt(o.reason, &got.Reason, want.Reason)
	adopt(o.shadow, &got.Shadow, want.Shadow)
	adopt(o.status, &got.Response.Status, want.Response.Status)
	adopt(o.forwarded, &got.Forwarded, want.Forwarded)
	maps.DeleteFunc(got.Response.Headers, func(name string, _ []string) bool {
		_, wanted := want.Response.Headers[name]
		return !wanted
	})
}

func adopt[T any](overlooked bool, got *T, want T) {
	if overlooked {
		*got = want
	}
}
