package cases

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/respond"
)

// Outcome is what came of a case, or what should.
type Outcome struct {
	// Policy and Reason are the enforced decision's; both are empty when
	// nothing was decided.
	Policy, Reason string
	// Shadow is nil when no shadow policy spoke.
	Shadow *Shadow
	// Forwarded tells that the upstream saw the request.
	Forwarded bool
	// Response is what the client got. Of its headers only those matter that
	// are CORS's: Access-Control-*, Vary and x-corsgate-reason.
	Response respond.Response
}

// Shadow is what a shadow policy said.
type Shadow struct {
	Policy, Reason string
	Differs        bool
	// Differences say in what, if that is known; no case names them.
	Differences policy.Differences
}

// OutcomeOf returns what comes of d when the upstream would answer up.
func OutcomeOf(d policy.Decision, up respond.Response) Outcome {
	o := Outcome{
		Policy:    d.Policy,
		Reason:    d.Reason.String(),
		Forwarded: d.Answer.Action != policy.Reply,
		Response:  respond.To(d, up),
	}
	if d.Shadow.Answer != nil {
		o.Shadow = &Shadow{Policy: d.Shadow.Policy, Reason: d.Shadow.Reason.String(), Differs: d.ShadowDiffers, Differences: d.Verdict.Differences(&d.Shadow)}
	}
	return o
}

// Diff returns one line for each difference of what is had from what is wanted.
func (o Outcome) Diff(want Outcome) []string { return o.diff(want, overlooks{}) }

func (o Outcome) diff(want Outcome, over overlooks) []string {
	var lines []string
	differ := func(what, got, want string) {
		if got != want {
			lines = append(lines, fmt.Sprintf("%s: got %s, want %s", what, got, want))
		}
	}
	differ("policy", shown(o.Policy), shown(want.Policy))
	differ("reason", shown(o.Reason), shown(want.Reason))
	if got, want := o.Shadow.shown(over), want.Shadow.shown(over); got != want {
		differ("shadow", got+o.Shadow.differences(), want)
	}
	differ("forwarded", fmt.Sprint(o.Forwarded), fmt.Sprint(want.Forwarded))
	differ("status", fmt.Sprint(o.Response.Status), fmt.Sprint(want.Response.Status))
	for _, name := range corsNames(o.Response.Headers, want.Response.Headers) {
		differ(name, list(o.Response.Headers, name), list(want.Response.Headers, name))
	}
	return lines
}

// String returns what the shadow policy said on one line; none for nil.
func (s *Shadow) String() string { return s.shown(overlooks{}) }

// shown is String without what is overlooked.
func (s *Shadow) shown(over overlooks) string {
	if s == nil {
		return "none"
	}
	var parts []string
	if !over.shadowPolicy {
		parts = append(parts, shown(s.Policy))
	}
	if !over.shadowReason {
		parts = append(parts, shown(s.Reason))
	}
	if !over.shadowDiffers {
		parts = append(parts, fmt.Sprintf("differs=%t", s.Differs))
	}
	return cmp.Or(strings.Join(parts, " "), "any")
}

// differences says in brackets in what the shadow policy differs; nothing if
// that is not known.
func (s *Shadow) differences() string {
	if s == nil || len(s.Differences) == 0 {
		return ""
	}
	return " (" + s.Differences.String() + ")"
}

// corsNames returns the names of the headers in a and b that are CORS's, sorted.
func corsNames(a, b respond.Headers) []string {
	names := map[string]bool{}
	for _, h := range []respond.Headers{a, b} {
		for name := range h {
			if isCORS(name) {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func isCORS(name string) bool {
	return policy.IsCORSHeader(name) || name == "vary" || name == policy.HeaderReason
}

func shown(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// list returns the elements of a header quoted, so that an empty one is seen.
func list(h respond.Headers, name string) string {
	if len(h[name]) == 0 {
		return "none"
	}
	return fmt.Sprintf("%q", strings.Join(h.Members(name), ", "))
}
