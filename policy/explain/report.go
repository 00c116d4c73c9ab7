package explain

import (
	"slices"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
)

// Report is the answer to a Question.
type Report struct {
	// Question is as it was understood.
	Question Question `json:"question"`
	// Allowed says that the page may read the answer. Undecided says that the upstream's
	// answer decides, and is not known. FailsOtherwise says that the request fails, but not
	// because of CORS or a policy. If none is set, it is blocked. Because says why, on one
	// line.
	Allowed        bool   `json:"allowed"`
	Undecided      bool   `json:"undecided,omitempty"`
	FailsOtherwise bool   `json:"failsOtherwise,omitempty"`
	Because        string `json:"because"`
	// Cause says on one line what in the policy denied it. It is empty if nothing did.
	Cause string `json:"cause,omitempty"`
	// Engines are the verdicts of the browser engines. There are none for a request that no
	// browser sends, or that is not CORS.
	Engines []EngineVerdict `json:"engines,omitempty"`
	// Policy is the chosen policy; its Name is empty if there is none.
	Policy Choice `json:"policy"`
	// Shadow is what a shadow policy would do; nil without one.
	Shadow *Shadow `json:"shadow,omitempty"`
	// Origin says which entries of the policy allow the origin; nil without a policy.
	Origin *Origin `json:"origin,omitempty"`
	// Before are the browser's steps before anything is sent.
	Before []browser.Step `json:"before"`
	// Preflight and Request are what is sent; nil if it is not sent.
	Preflight *Exchange `json:"preflight,omitempty"`
	Request   *Exchange `json:"request,omitempty"`
	// Notes say what else is worth knowing.
	Notes []string `json:"notes,omitempty"`
	// Remedy is what would allow it, whatever the upstream answers; nil if it is
	// allowed or nothing would.
	Remedy *Remedy `json:"remedy,omitempty"`
}

// EngineVerdict is the verdict of one browser engine on a request.
type EngineVerdict struct {
	Engine    browser.Engine `json:"engine"`
	Allowed   bool           `json:"allowed"`
	Undecided bool           `json:"undecided,omitempty"` // as Report.Undecided
	// Because is the check that failed or cannot be made. Console is the line of the
	// engine's console. Both are empty if the request is allowed.
	Because string `json:"because,omitempty"`
	Console string `json:"console,omitempty"`
}

// Choice is how a policy was chosen.
type Choice struct {
	Name string `json:"name,omitempty"`
	Mode string `json:"mode,omitempty"`
	Why  string `json:"why"`
	// Others are the nearest of the policies that no reading of the path chooses,
	// and More counts those that are not among them.
	Others []Other `json:"others,omitempty"`
	More   int     `json:"more,omitempty"`
	// Otherwise are the policies that other readings of the path choose. The
	// Name is empty if a reading chooses none.
	Otherwise []Other `json:"otherwise,omitempty"`
}

// Other is a policy that was not chosen.
type Other struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Shadow is what a shadow policy says.
type Shadow struct {
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	Differs bool   `json:"differs"`
	// Differences are all differences from what serves.
	Differences policy.Differences `json:"differences,omitempty"`
}

// Origin says which entries of a policy allow an origin, or nearly do.
type Origin struct {
	Allowed bool `json:"allowed"`
	// By are entries that allow it.
	By []string `json:"by,omitempty"`
	// Tried counts the policy's entries.
	Tried int `json:"tried"`
	// Near are the entries that nearly allow it, the nearest first.
	Near []Near `json:"near,omitempty"`
}

// Near is an entry that nearly allows an origin.
type Near struct {
	// Entry is empty if it is about the origin alone.
	Entry string `json:"entry,omitempty"`
	Why   string `json:"why"`
	// Kin says that the entry and the origin are of one registrable domain, and so of one
	// owner. An origin that only looks similar is a stranger's.
	Kin bool `json:"kin,omitempty"`
}

// Stranger reports whether the policy does not allow the origin, and has no entry of the
// origin's owner either. Nobody should allow it just because it asked.
func (o *Origin) Stranger() bool {
	return o != nil && !o.Allowed && !slices.ContainsFunc(o.Near, func(n Near) bool { return n.Kin })
}

// Exchange is a request and its answer.
type Exchange struct {
	Method string `json:"method"`
	// Sent are the headers of the request that CORS is about.
	Sent browser.Headers `json:"sent"`
	// Reason is corsgate's reason. Forwarded says whether the upstream sees the request.
	Reason    string `json:"reason"`
	Forwarded bool   `json:"forwarded"`
	// Status and Headers are what the browser gets. The headers are sorted by name, and
	// without those of CORS if the browser does not look at them. The Status is 0 if it is
	// not known.
	Status  int             `json:"status"`
	Headers browser.Headers `json:"headers"`
	// Hidden are the names of headers that the page cannot see.
	Hidden []string `json:"hidden,omitempty"`
	// Verdict is the browser's verdict. It is empty if the exchange is Undecided, as in
	// Report.Undecided.
	browser.Verdict
	Undecided bool `json:"undecided,omitempty"`

	// NoTrip says who decides in Envoy's profile no-trip; nil if that is not known.
	NoTrip *NoTrip `json:"noTrip,omitempty"`

	defers  bool // the upstream's own CORS headers stay if it sends any
	request policy.Request
}

// NoTrip says who decides about a request if the policies are compiled into Envoy.
type NoTrip struct {
	// Asked says that Envoy asks corsgate. Otherwise it decides by itself.
	Asked bool `json:"asked"`
	// Why are the reasons to ask that hold for the policy.
	Why []string `json:"why,omitempty"`
}

// Remedy is what would allow a request.
type Remedy struct {
	// Policy is the policy to change.
	Policy string `json:"policy"`
	// Method is what the page has to send instead of its method, or empty if the method may
	// stay. Omit are the headers that the page must not set.
	Method string   `json:"method,omitempty"`
	Omit   []string `json:"omit,omitempty"`
	// Changes are what to change, all of them.
	Changes []Change `json:"changes,omitempty"`
	// Costs are what the changes give up, or take away from others.
	Costs []string `json:"costs,omitempty"`
	// Refused says why a policy with the changes would not load. It is empty if it would
	// load.
	Refused []string `json:"refused,omitempty"`
}

// Change is a change of one field of a policy: what to add to its list, what alone to keep
// in its list, or what to set it to.
type Change struct {
	Field string   `json:"field"`
	Add   []string `json:"add,omitempty"`
	Only  []string `json:"only,omitempty"`
	Set   string   `json:"set,omitempty"`
}
