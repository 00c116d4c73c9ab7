package policy

// Reason says why a Decision is what it is. Its words are a closed list, the
// same in metrics, logs, response code details, metadata and the CLI.
type Reason uint8

// The reasons of decisions.
const (
	// ReasonNoPolicy: no policy covers the host and path; nothing is touched.
	ReasonNoPolicy Reason = iota
	// ReasonPolicyOff: the policy's mode is off; nothing is touched.
	ReasonPolicyOff
	// ReasonPolicyUnknown: Envoy named a policy that does not exist: a denial.
	ReasonPolicyUnknown
	// ReasonNotCORS: the request has no Origin.
	ReasonNotCORS
	// ReasonPreflightAllowed: origin, method and headers are allowed.
	ReasonPreflightAllowed
	// ReasonPreflightOriginDenied: the origin is not allowed.
	ReasonPreflightOriginDenied
	// ReasonPreflightMethodDenied: the requested method is not allowed.
	ReasonPreflightMethodDenied
	// ReasonPreflightHeaderDenied: a requested header is not allowed.
	ReasonPreflightHeaderDenied
	// ReasonPreflightMalformed: the origin is not a serialized origin, the method
	// or a header name no token, or the list of names is too long.
	ReasonPreflightMalformed
	// ReasonRequestAllowed: the origin is allowed.
	ReasonRequestAllowed
	// ReasonRequestOriginDenied: the origin is not allowed.
	ReasonRequestOriginDenied
	// ReasonRequestOriginMalformed: the origin is not a serialized origin.
	ReasonRequestOriginMalformed
	// ReasonRequestBlocked: the origin is not allowed and the policy blocks.
	ReasonRequestBlocked
	// ReasonSameOrigin: the site's own request, from an origin that the policy
	// does not list: on the wire as a denied one, never counted as denied.
	ReasonSameOrigin
	// ReasonPathAmbiguous: applications may read the path otherwise than it is
	// normalised, and the policies of the readings answer differently: a denial.
	ReasonPathAmbiguous

	// NumReasons is the number of reasons.
	NumReasons = iota
)

var reasonWords = [NumReasons]string{
	ReasonNoPolicy:               "no_policy",
	ReasonPolicyOff:              "policy_off",
	ReasonPolicyUnknown:          "policy_unknown",
	ReasonNotCORS:                "not_cors",
	ReasonPreflightAllowed:       "preflight_allowed",
	ReasonPreflightOriginDenied:  "preflight_origin_denied",
	ReasonPreflightMethodDenied:  "preflight_method_denied",
	ReasonPreflightHeaderDenied:  "preflight_header_denied",
	ReasonPreflightMalformed:     "preflight_malformed",
	ReasonRequestAllowed:         "request_allowed",
	ReasonRequestOriginDenied:    "request_origin_denied",
	ReasonRequestOriginMalformed: "request_origin_malformed",
	ReasonRequestBlocked:         "request_blocked",
	ReasonSameOrigin:             "same_origin",
	ReasonPathAmbiguous:          "path_ambiguous",
}

// String returns the reason's word, such as "preflight_allowed".
func (r Reason) String() string {
	if r >= NumReasons {
		return "unknown"
	}
	return reasonWords[r]
}

// Reasons returns all reasons, for those who label with them.
func Reasons() []Reason {
	all := make([]Reason, NumReasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// Allows reports whether the reason lets a page of another origin read or send.
func (r Reason) Allows() bool { return r == ReasonPreflightAllowed || r == ReasonRequestAllowed }

// Denies reports whether the reason counts as a denial.
func (r Reason) Denies() bool {
	switch r {
	case ReasonPolicyUnknown, ReasonPathAmbiguous,
		ReasonPreflightOriginDenied, ReasonPreflightMethodDenied, ReasonPreflightHeaderDenied, ReasonPreflightMalformed,
		ReasonRequestOriginDenied, ReasonRequestOriginMalformed, ReasonRequestBlocked:
		return true
	}
	return false
}
