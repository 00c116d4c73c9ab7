package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
)

// cause says what in the policy s denied the request, and what came nearest.
func (t *trip) cause(s *policy.Spec, o *Origin) string {
	last := t.last()
	if t.allowed || last == nil {
		return ""
	}
	switch last.Reason {
	case policy.ReasonPreflightMethodDenied.String():
		method, _ := t.asks.Get("Access-Control-Request-Method")
		return methodCause(s, method)
	case policy.ReasonPreflightHeaderDenied.String():
		return headerCause(s, missing(s, t.asks))
	case policy.ReasonPreflightMalformed.String():
		if t.plan.Refused == "" && o.Allowed {
			return malformedCause(t.asks)
		}
	case policy.ReasonPreflightAllowed.String(), policy.ReasonRequestAllowed.String():
		return t.grantedCause(s)
	case policy.ReasonPolicyOff.String():
		return fmt.Sprintf("policy %s is off: %s", s.Name, upstreamsOwn)
	}
	if o.Allowed {
		return ""
	}
	return originCause(s, o)
}

// upstreamsOwn says what happens to an answer that corsgate does not change.
const upstreamsOwn = "the upstream's own CORS headers stay, if it sends any"

// causeWithoutPolicy is for a request that no policy decides.
func (t *trip) causeWithoutPolicy(a asked) string {
	switch {
	case t.allowed || t.last() == nil:
		return ""
	case a.Policy != "":
		return fmt.Sprintf("Envoy names the policy %q, and no policy has that name", a.Policy)
	}
	return "no policy covers it: " + upstreamsOwn
}

// ambiguousCause is for a path whose readings choose policies that answer
// differently: no policy decides alone.
func ambiguousCause(a asked, c Choice) string {
	if a.tooMany {
		return "the path can be read in too many ways: ask for it as it is meant"
	}
	names := []string{named(c.Name)}
	for _, o := range c.Otherwise {
		names = append(names, named(o.Name))
	}
	return fmt.Sprintf("the spelling of the path would decide between %s, which answer this differently: ask for the path as it is meant, or let one policy cover each reading of it",
		strings.Join(names, " and "))
}

func named(name string) string {
	if name == "" {
		return "no policy"
	}
	return "policy " + name
}

func originCause(s *policy.Spec, o *Origin) string {
	text := fmt.Sprintf("policy %s does not allow the origin", s.Name)
	if len(o.Near) == 0 {
		return text + "; none of its entries is close to it"
	}
	near := o.Near[0]
	if near.Entry != "" {
		return fmt.Sprintf("%s; the nearest entry is %s: %s", text, near.Entry, near.Why)
	}
	return text + ": " + near.Why
}

// methodCause is for a denied method. Methods are case-sensitive (Fetch,
// #concept-method-normalize).
func methodCause(s *policy.Spec, method string) string {
	text := fmt.Sprintf("policy %s does not allow the method %s", s.Name, method)
	if policy.IsForbiddenMethod(method) {
		return text + "; no page can send it"
	}
	for _, m := range s.CORS.AllowMethods {
		if strings.EqualFold(m, method) {
			return text + "; methods are case-sensitive, and " + m + " is listed"
		}
	}
	if sent := policy.NormaliseMethod(method); sent != method {
		return text + "; browsers send it as " + sent
	}
	return text
}

// malformedCause is for a preflight that no browser sends, although its method is
// valid and an entry allows its origin.
func malformedCause(asks browser.Headers) string {
	if origin, _ := asks.Get("Origin"); !isOrigin(origin) {
		return fmt.Sprintf("%+q is not an origin that a browser sends", origin)
	}
	value, _ := asks.Get("Access-Control-Request-Headers")
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.Trim(name, " \t"); name != "" && !policy.IsToken(name) {
			return fmt.Sprintf("the preflight lists %+q, which is not a header name", name)
		}
	}
	return "the preflight lists more header names, or longer ones, than corsgate reads"
}

func isOrigin(text string) bool {
	_, err := policy.ParseOrigin(text)
	return err == nil || text == "null"
}

func headerCause(s *policy.Spec, names []string) string {
	text := fmt.Sprintf("policy %s does not allow %s", s.Name, strings.Join(names, ", "))
	if slices.Contains(names, "authorization") && slices.Contains(s.CORS.AllowHeaders, "*") {
		return text + "; * does not stand for authorization, list it beside the star"
	}
	for _, name := range names {
		for _, h := range s.CORS.AllowHeaders {
			if misspelt(h, name) {
				return text + "; " + h + " is listed"
			}
		}
	}
	return text
}

// grantedCause is for a request that the policy allows and the browser blocks.
func (t *trip) grantedCause(s *policy.Spec) string {
	switch _, own := t.last().Headers.Get("Access-Control-Allow-Origin"); {
	case own && s.UpstreamHeaders == policy.UpstreamDefer && t.request != nil:
		return fmt.Sprintf("policy %s defers to the upstream, whose own CORS headers stay", s.Name)
	case !s.CORS.AllowCredentials:
		return fmt.Sprintf("policy %s allows the origin, but no credentials", s.Name)
	case t.request == nil && t.asksOtherwise():
		return "the preflight asks for the method as no browser spells it: it sends " + t.plan.Method
	}
	return ""
}

// asksOtherwise reports whether a copied preflight asks for another method than the
// page's browser would.
func (t *trip) asksOtherwise() bool {
	method, _ := t.asks.Get("Access-Control-Request-Method")
	return method != t.plan.Method
}
