// Package respond says what a client gets: the upstream's answer as a decision
// edits it, or the answer that takes its place.
package respond

import (
	"maps"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

const (
	allowOrigin = "access-control-allow-origin"
	vary        = "vary"
)

// To returns what the client gets for d if the upstream would answer up. It
// changes nothing of up.
func To(d policy.Decision, up Response) Response {
	switch d.Answer.Action {
	case policy.Reply:
		headers := Headers{}
		set(headers, &d.Verdict)
		return Response{Status: d.Answer.Status, Headers: headers}
	case policy.Edit:
		return Response{Status: up.Status, Headers: edit(&d.Verdict, up.Headers)}
	default:
		return Response{Status: up.Status, Headers: up.Headers.clone()}
	}
}

// edit returns the upstream's headers as the answer of v leaves them.
func edit(v *policy.Verdict, up Headers) Headers {
	headers := up.clone()
	apply := v.Answer.Apply
	if apply == policy.ApplyNone || apply == policy.ApplyDefer && up.Joined(allowOrigin) != "" {
		return headers
	}
	maps.DeleteFunc(headers, func(name string, _ []string) bool { return policy.IsCORSHeader(name) })
	set(headers, v)
	if apply != policy.ApplyPublic {
		varyByOrigin(headers)
	}
	return headers
}

func set(headers Headers, v *policy.Verdict) {
	for _, h := range v.Answer.Headers {
		if value := v.Value(h); value != "" {
			headers[h.Name] = []string{value}
		}
	}
}

// varyByOrigin merges Origin into Vary (Fetch, section "CORS protocol and HTTP
// caches"): what is there is kept, and "*" says it already (RFC 9110, section
// 12.5.5).
func varyByOrigin(headers Headers) {
	for _, member := range headers.Members(vary) {
		if member == "*" || strings.EqualFold(member, "Origin") {
			return
		}
	}
	headers[vary] = append(headers[vary], "Origin")
}
