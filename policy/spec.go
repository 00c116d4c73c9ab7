package policy

// Mode says whether a policy acts.
type Mode string

// The modes of a policy. The zero Mode is read as ModeEnforce.
const (
	ModeEnforce Mode = "enforce" // decide and act
	ModeShadow  Mode = "shadow"  // decide, count and log; change nothing
	ModeOff     Mode = "off"     // touch nothing
)

// UpstreamHeaders says what happens to the upstream's own CORS headers.
type UpstreamHeaders string

// What may happen to the upstream's own CORS headers. The zero value is read
// as UpstreamReplace.
const (
	UpstreamReplace UpstreamHeaders = "replace" // they are removed, the policy's are set
	UpstreamDefer   UpstreamHeaders = "defer"   // an answer that carries Access-Control-Allow-Origin is left alone
)

// UnmatchedPreflights says what happens to a preflight of an unknown origin.
type UnmatchedPreflights string

// What may happen to a preflight whose origin the policy does not allow. The
// zero value is read as UnmatchedReject.
const (
	UnmatchedReject  UnmatchedPreflights = "reject"  // it is answered with 403
	UnmatchedForward UnmatchedPreflights = "forward" // it goes upstream and its answer comes back untouched
)

// DeniedRequests says what happens to a request, not a preflight, of an
// unknown origin.
type DeniedRequests string

// What may happen to a request of an unknown origin. The zero value is read as
// DeniedPass.
const (
	DeniedPass        DeniedRequests = "pass"         // it is forwarded; its answer carries no CORS header
	DeniedBlockUnsafe DeniedRequests = "block-unsafe" // 403, but for GET, HEAD and OPTIONS
	DeniedBlock       DeniedRequests = "block"        // 403
)

// PreflightLists says which names an allowed preflight's answer lists.
type PreflightLists string

// Which methods and headers an allowed preflight's answer lists. The zero
// value is read as ListsFull.
const (
	ListsFull      PreflightLists = "full"      // all that the policy allows
	ListsRequested PreflightLists = "requested" // what was asked for and granted
)

// OptIn is the ugly name of something insecure that a policy may ask for
// nevertheless. Each lifts the one refusal that names it.
type OptIn string

// The opt-ins of a policy's dangerously list.
const (
	OptInOriginRegex              OptIn = "origin-regex"                // allowOriginRegexes at all
	OptInNullOrigin               OptIn = "null-origin"                 // "null", and other origins that anybody can send
	OptInAnyOriginWithCredentials OptIn = "any-origin-with-credentials" // "*", "https://*" or a regex with credentials
	OptInPublicSuffix             OptIn = "public-suffix"               // a star or a regex over a public suffix, with credentials
	OptInInsecureOrigins          OptIn = "insecure-origins"            // http origins, with credentials
	OptInPrivateNetworkAccess     OptIn = "private-network-access"      // allowPrivateNetwork
)

// CORS holds the fields of the Gateway API's HTTPRoute CORS filter.
type CORS struct {
	// AllowOrigins are patterns as ParsePattern reads them; groups have been
	// replaced by their members.
	AllowOrigins []string `json:"allowOrigins"`
	// AllowOriginRegexes are RE2 expressions that a whole origin must match.
	AllowOriginRegexes []string `json:"allowOriginRegexes,omitempty"`
	// AllowMethods are methods, case-sensitive, or "*".
	AllowMethods []string `json:"allowMethods,omitempty"`
	// AllowHeaders are request header names without case, or "*".
	AllowHeaders []string `json:"allowHeaders,omitempty"`
	// ExposeHeaders are response header names without case, or "*".
	ExposeHeaders []string `json:"exposeHeaders,omitempty"`
	// AllowCredentials permits cookies and the like.
	AllowCredentials bool `json:"allowCredentials,omitempty"`
	// MaxAge is in seconds, 0 to 2147483647; nil leaves the header out.
	MaxAge *int `json:"maxAge,omitempty"`
}

// Spec is the source form of one policy, as a user wrote it or normalised. Its
// JSON has the policy file's field names. A zero field means the default that
// its type documents.
type Spec struct {
	// Name is unique in a set: [a-z0-9][a-z0-9-]{0,62}.
	Name string `json:"name"`
	// Hosts are exact hosts or "*.example.com"; empty means every host.
	Hosts []string `json:"hosts,omitempty"`
	// Paths are prefixes of whole segments; empty means every path.
	Paths               []string            `json:"paths,omitempty"`
	CORS                CORS                `json:"cors"`
	Mode                Mode                `json:"mode,omitempty"`
	UpstreamHeaders     UpstreamHeaders     `json:"upstreamHeaders,omitempty"`
	UnmatchedPreflights UnmatchedPreflights `json:"unmatchedPreflights,omitempty"`
	DeniedRequests      DeniedRequests      `json:"deniedRequests,omitempty"`
	// PreflightStatus is 204 or 200; 0 means 204.
	PreflightStatus int            `json:"preflightStatus,omitempty"`
	PreflightLists  PreflightLists `json:"preflightLists,omitempty"`
	// AllowPrivateNetwork answers the withdrawn Private Network Access preflight.
	AllowPrivateNetwork bool `json:"allowPrivateNetwork,omitempty"`
	// Debug lets denied preflights say why.
	Debug bool `json:"debug,omitempty"`
	// Dangerously lists the opt-ins.
	Dangerously []OptIn `json:"dangerously,omitempty"`
}

// OptsIn reports whether s lists o under dangerously.
func (s *Spec) OptsIn(o OptIn) bool {
	for _, have := range s.Dangerously {
		if have == o {
			return true
		}
	}
	return false
}
