package envoy

import (
	"slices"

	"github.com/corsgate/corsgate/server/contract"
)

// Profile says which of Envoy's protocols asks corsgate, and who writes the
// CORS headers of a response.
type Profile string

// The profiles.
const (
	NoTrip   Profile = "no-trip"
	OneTrip  Profile = "one-trip"
	TwoPhase Profile = "two-phase"
	ExtAuthz Profile = "ext-authz"
)

// facts are what tells a profile from the others. The templates read them.
type facts struct {
	Profile Profile
	// Summary says what the profile is, as README.md beside it does.
	Summary string
	// GRPCService is what Envoy calls, and the name of its health.
	GRPCService string
	// AskName is the canonical name of the filter that asks, and AskTemplate the
	// template that writes it.
	AskName, AskTemplate string
	// Namespace is where the filter puts the metadata that it is answered.
	Namespace string
	// EveryRequest tells that the filter asks about requests without an Origin too.
	EveryRequest bool
	// Responses tells that it sends responses to the service, which edits them;
	// otherwise corsgate.apply does.
	Responses bool
	// Attributes tells that it sends attributes. Otherwise gRPC metadata tells the
	// route's name.
	Attributes bool
	// CallTimeout tells that the call has a timeout, and not each message.
	CallTimeout bool
	// Compiled tells that the policies are compiled into the filter, which Envoy reads
	// from files: it asks only about what does not compile exactly.
	Compiled bool
	// PerRoute is the template of what virtual hosts and routes tell the filter;
	// it switches the filter on, too. Empty means nothing.
	PerRoute string
}

// profiles has the facts of each profile, the recommended one first.
var profiles = []facts{
	{
		Profile:     NoTrip,
		Summary:     "the policies are compiled into Envoy's own filters; what does not compile exactly is asked as in one-trip, or refused without a service",
		GRPCService: contract.ExtProc,
		AskName:     "envoy.filters.http.ext_proc", AskTemplate: "ext_proc",
		Namespace:    contract.Namespace,
		EveryRequest: true, Attributes: true,
		Compiled: true,
	},
	{
		Profile:     OneTrip,
		Summary:     "one ext_proc call for requests with an Origin; Envoy's own filters write the headers",
		GRPCService: contract.ExtProc,
		AskName:     "envoy.filters.http.ext_proc", AskTemplate: "ext_proc",
		Namespace:  contract.Namespace,
		Attributes: true,
	},
	{
		Profile:     TwoPhase,
		Summary:     "ext_proc is asked about every request and every response, and corsgate writes the headers",
		GRPCService: contract.ExtProc,
		AskName:     "envoy.filters.http.ext_proc", AskTemplate: "ext_proc",
		Namespace:    contract.Namespace,
		EveryRequest: true, Responses: true, Attributes: true,
	},
	{
		Profile:     ExtAuthz,
		Summary:     "one unary ext_authz call for requests with an Origin; Envoy's own filters write the headers",
		GRPCService: contract.ExtAuthz,
		AskName:     "envoy.filters.http.ext_authz", AskTemplate: "ext_authz",
		Namespace:   contract.AuthzNamespace,
		CallTimeout: true,
		PerRoute:    "context",
	},
}

// Profiles returns all profiles, the recommended one first.
func Profiles() (all []Profile) {
	for _, f := range profiles {
		all = append(all, f.Profile)
	}
	return all
}

// facts returns those of a profile that is known.
func (p Profile) facts() facts {
	return profiles[slices.IndexFunc(profiles, func(f facts) bool { return f.Profile == p })]
}
