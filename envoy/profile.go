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

// facts are the differences between profiles. The templates read them.
type facts struct {
	Profile Profile
	// Summary says what the profile is, as README.md beside it does.
	Summary string
	// GRPCService is what Envoy calls, and the name of its health.
	GRPCService string
	// AskName is the canonical name of the filter that asks, and AskTemplate the
	// template that writes it.
	AskName, AskTemplate string
	// Namespace is where the filter puts the metadata of the answer.
	Namespace string
	// EveryRequest says that the filter asks about requests without an Origin, too.
	EveryRequest bool
	// Responses says that the filter sends responses to the service, which edits them.
	// Otherwise corsgate.apply edits them.
	Responses bool
	// Attributes says that the filter sends attributes. Otherwise gRPC metadata has the
	// route's name.
	Attributes bool
	// CallTimeout says that the whole call has a timeout, instead of each message.
	CallTimeout bool
	// Compiled says that the policies are compiled into the filter. Envoy asks only about
	// what does not compile exactly.
	Compiled bool
	// PerRoute is the template of the filter's configuration in virtual hosts and routes,
	// which also switches it on. Empty means none.
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

// facts returns the facts of a known profile.
func (p Profile) facts() facts {
	return profiles[slices.IndexFunc(profiles, func(f facts) bool { return f.Profile == p })]
}
