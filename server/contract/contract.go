// Package contract has the words that corsgate and Envoy's configuration share.
// What reads and writes Envoy's messages and the templates of the generated
// configuration take them from here; envoy/README.md names those that configuration
// of one's own may use. The words at Apply are package policy's. It imports nothing.
package contract

// The services that Envoy calls, whose names are also those of their health.
const (
	ExtProc  = "envoy.service.ext_proc.v3.ExternalProcessor"
	ExtAuthz = "envoy.service.auth.v3.Authorization"
)

// Keys of gRPC metadata that configuration may send with each call.
const (
	// PolicyMetadata names the policy.
	PolicyMetadata = "x-corsgate-policy"
	// RouteMetadata names the route, for the decision log.
	RouteMetadata = "x-corsgate-route"
)

// Namespaces of dynamic metadata. Static metadata of routes and virtual hosts has
// the first, too.
const (
	Namespace = "corsgate"
	// AuthzNamespace is where Envoy's ext_authz filter puts what it is answered.
	AuthzNamespace = "envoy.filters.http.ext_authz"
)

// Keys of the metadata in those namespaces. Policy is also a key of static
// metadata, and a context extension of ext_authz.
const (
	Policy        = "policy"
	Reason        = "reason"
	Apply         = "apply"
	Origin        = "origin"
	ShadowPolicy  = "shadow_policy"
	ShadowReason  = "shadow_reason"
	ShadowDiffers = "shadow_differs"
)

// Unanswered is the reason that Envoy notes before it asks, with
// policy.ApplyStrip, and that stays if it is not answered.
const Unanswered = "unanswered"

// NeedsService is the reason that a compiled filter notes of what only the service
// could decide, if there is no service: what is not refused is stripped.
const NeedsService = "needs_service"

// Headers is a context extension of ext_authz. It says how the headers of an
// upstream's response travel: HeadersInMetadata, or, if it is unset, as
// response_headers_to_add.
const (
	Headers = "headers"
	// HeadersInMetadata leaves them to the filter corsgate.apply, which alone can
	// remove the upstream's.
	HeadersInMetadata = "metadata"
)

// Edited is a response header that corsgate.apply sets.
type Edited struct{ Name, Key string }

// EditedHeaders are the response headers that corsgate.apply sets, and the keys
// of the metadata that it takes their values from.
func EditedHeaders() []Edited {
	return []Edited{
		{"access-control-allow-origin", "allow_origin"},
		{"access-control-allow-credentials", "allow_credentials"},
		{"access-control-expose-headers", "expose_headers"},
	}
}

const (
	routeMetadata = "xds.route_metadata.filter_metadata"
	inRoute       = routeMetadata + "['" + Namespace + "']"
)

// Attributes: CEL expressions that Envoy is asked for the values of.
const (
	RoutePolicy       = inRoute + "." + Policy
	VirtualHostPolicy = "xds.virtual_host_metadata.filter_metadata['" + Namespace + "']." + Policy
	// EitherPolicy is the route's or else the virtual host's, as generated
	// configuration asks: two expressions would cost Envoy twice as much.
	EitherPolicy = "'" + Namespace + "' in " + routeMetadata + " && '" + Policy + "' in " + inRoute + " && !(" + RoutePolicy +
		" in ['', null]) ? " + RoutePolicy + " : " + VirtualHostPolicy
	RouteName = "xds.route_name"
)

// The attributes of a request, for a service that is asked about responses alone.
// Generated configuration asks for none: it always sends the request first.
const (
	RequestMethod = "request.method"
	RequestHost   = "request.host"
	RequestPath   = "request.path"
)

// RequestHeader returns the attribute of a request header.
func RequestHeader(name string) string { return "request.headers['" + name + "']" }

// ForwardedHeaders are the names of request headers that corsgate is told.
func ForwardedHeaders() []string {
	return []string{"origin", ":method", ":scheme", ":authority", ":path", ":protocol", "sec-fetch-site", "upgrade", "content-type"}
}

// ForwardedPrefix begins the names of further request headers that it is told.
const ForwardedPrefix = "access-control-request-"
