package main

import (
	"net/http"

	"github.com/corsgate/corsgate/policy"
)

// The origins of the demo's requests. The sample policy allows the first one.
const (
	allowedOrigin = "https://app.example.com"
	deniedOrigin  = "https://evil.example.net"
)

// crossSite is the header that browsers send with such a request (Fetch Metadata, section
// 2.4). A policy for every host does not know which origins are the site's own.
var crossSite = [2]string{"Sec-Fetch-Site", "cross-site"}

// demoProbes returns the requests of the demo: a preflight and a request of an
// allowed origin and of a denied one, as the sample policy answers them.
func demoProbes() []probe {
	asked := [][2]string{
		{"Access-Control-Request-Method", "PUT"},
		{"Access-Control-Request-Headers", "content-type"},
	}
	return []probe{
		{
			title:   "A preflight of an allowed origin: answered at the edge, the upstream never sees it.",
			method:  http.MethodOptions,
			headers: append([][2]string{{"Origin", allowedOrigin}}, asked...),
			status:  http.StatusNoContent,
			reason:  policy.ReasonPreflightAllowed,
			answer: map[string]string{
				"Access-Control-Allow-Origin":      allowedOrigin,
				"Access-Control-Allow-Credentials": "true",
				"Access-Control-Allow-Methods":     "GET, PUT, DELETE",
				"Access-Control-Allow-Headers":     "authorization, content-type, x-request-id",
				"Access-Control-Expose-Headers":    "x-request-id",
				"Access-Control-Max-Age":           "600",
				"Vary":                             "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
			},
		},
		{
			title:   "The same of another origin: refused at the edge, without any CORS header.",
			method:  http.MethodOptions,
			headers: append([][2]string{{"Origin", deniedOrigin}}, asked...),
			status:  http.StatusForbidden,
			reason:  policy.ReasonPreflightOriginDenied,
			answer:  map[string]string{"Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"},
		},
		{
			title:   "A request of an allowed origin: the upstream answers, the policy's headers replace its own.",
			method:  http.MethodGet,
			headers: [][2]string{{"Origin", allowedOrigin}, crossSite},
			status:  http.StatusOK,
			reason:  policy.ReasonRequestAllowed,
			answer: map[string]string{
				"Access-Control-Allow-Origin":      allowedOrigin,
				"Access-Control-Allow-Credentials": "true",
				"Access-Control-Expose-Headers":    "x-request-id",
				"Vary":                             "Origin",
			},
		},
		{
			title:   "A request of another origin: the upstream answers, but no page of that origin may read it.",
			method:  http.MethodGet,
			headers: [][2]string{{"Origin", deniedOrigin}, crossSite},
			status:  http.StatusOK,
			reason:  policy.ReasonRequestOriginDenied,
			answer:  map[string]string{"Vary": "Origin"},
		},
	}
}
