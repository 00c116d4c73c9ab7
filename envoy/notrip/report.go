package notrip

import (
	"fmt"
	"slices"

	"github.com/corsgate/corsgate/policy"
)

// Asked says about how many of a policy's requests Envoy asks.
type Asked string

// About how many requests Envoy asks.
const (
	AskedOdd  Asked = "odd-spellings" // only requests that are spelled oddly
	AskedSome Asked = "some"          // some other requests, too
	AskedAll  Asked = "all"           // every request with an Origin
)

// Report says which requests of a policy Envoy asks about.
type Report struct {
	Policy string `json:"policy"`
	Asked  Asked  `json:"asked"`
	// Causes are the fields that are the reason, with what would change it.
	Causes []Cause `json:"causes,omitempty"`
}

// Cause is a reason to ask.
type Cause struct {
	// Field is a field of the policy, as the policy file names it. It is empty if the
	// reason is not in the policy.
	Field string `json:"field,omitempty"`
	// Reason says what Envoy asks about and why. Hint says what would change that.
	Reason string `json:"reason"`
	Hint   string `json:"hint"`
	// Other is the policy that is the reason, or empty if it is this one.
	Other string `json:"other,omitempty"`
}

// report says for each policy what Envoy asks about, and why.
func (c *compiler) report(h *hosts) (list []Report) {
	crossed := h.crossed()
	for _, p := range c.policies {
		r := Report{Policy: p.spec.Name, Asked: AskedOdd}
		switch {
		case p.spec.Mode == policy.ModeOff:
		case len(p.causes) > 0:
			r.Asked, r.Causes = AskedAll, p.causes
		default:
			r.Causes = append(crossed[p], p.someCauses(c)...)
		}
		if r.Asked == AskedOdd && len(r.Causes) > 0 {
			r.Asked = AskedSome
		}
		list = append(list, r)
	}
	return list
}

// wholeCauses say why Envoy asks about all requests of a policy.
func (f *facts) wholeCauses(is policy.Policy, s *policy.Spec) (causes []Cause) {
	for i := range s.CORS.AllowOriginRegexes {
		causes = append(causes, Cause{
			Field:  fmt.Sprintf("cors.allowOriginRegexes[%d]", i),
			Reason: "Envoy's regular expressions are not quite those that corsgate reads",
			Hint:   "write patterns under cors.allowOrigins",
		})
	}
	if s.Mode == policy.ModeShadow {
		causes = append(causes, Cause{
			Field: "mode", Reason: "corsgate decides a rehearsal, together with what is enforced on its hosts",
			Hint: "write enforce, or take the policy out, when the rehearsal is over",
		})
	}
	causes = append(causes, f.tooMuch(is, s)...)
	for i, path := range s.Paths {
		if !readsOnce(path) {
			causes = append(causes, Cause{
				Field: fmt.Sprintf("paths[%d]", i), Reason: fmt.Sprintf("applications read %q in several ways", path),
				Hint: `write a path without escapes, ";" and "\"`,
			})
		}
	}
	return causes
}

// What Envoy accepts: the bytes of a header's value, by its own rule, and as many patterns
// as a request may take the time for.
const (
	maxValue = 16384
	maxStars = 1000
)

// tooMuch is about lists that are too long for Envoy.
func (f *facts) tooMuch(is policy.Policy, s *policy.Spec) (causes []Cause) {
	add := func(field, reason string) {
		if !slices.ContainsFunc(causes, func(c Cause) bool { return c.Field == field }) {
			causes = append(causes, Cause{Field: field, Reason: reason, Hint: "list fewer"})
		}
	}
	if f.stars > maxStars {
		add("cors.allowOrigins", fmt.Sprintf("Envoy tries patterns with stars one by one, and there are more than %d", maxStars))
	}
	names, _ := withoutStar(s.CORS.AllowHeaders)
	if len(anyCases(names)) > maxExpression {
		add("cors.allowHeaders", "the names are too many for one regular expression of Envoy")
	}
	for _, h := range setHeaders(is) {
		if field := listFields[h.Name]; field != "" && isTooLong(h) {
			add(field, fmt.Sprintf("Envoy sets values of up to %d bytes", maxValue))
		}
	}
	for i, path := range s.Paths {
		if len(path) > maxExpression/4 {
			add(fmt.Sprintf("paths[%d]", i), "the path is too long for a regular expression of Envoy")
		}
	}
	return causes
}

// isTooLong reports whether Envoy cannot set the header.
func isTooLong(h policy.Header) bool { return len(valueOf(h)) > maxValue }

// setHeaders are those of the answers that have lists.
func setHeaders(p policy.Policy) []policy.Header {
	list := slices.Concat(p.Answers.Granted.Headers, p.Answers.Allowed.Headers)
	if p.Answers.Debug.Header != nil {
		list = append(list, p.Answers.Debug.Header.Headers...)
	}
	return list
}

// listFields are the fields that are sent as a header's value.
var listFields = map[string]string{
	"access-control-allow-methods":  "cors.allowMethods",
	"access-control-allow-headers":  "cors.allowHeaders",
	"access-control-expose-headers": "cors.exposeHeaders",
}

// crossed says for policies because of which others Envoy asks about requests of their
// hosts.
func (h *hosts) crossed() map[*compiled][]Cause {
	causes := map[*compiled][]Cause{}
	for _, s := range h.sites() {
		if s.asker == nil {
			continue
		}
		cause := Cause{
			Reason: fmt.Sprintf("the policy %q is about %s, too, and is asked about whole", s.asker.spec.Name, s.target),
			Hint:   "see that policy", Other: s.asker.spec.Name,
		}
		for _, p := range s.policies() {
			if p != s.asker && !slices.Contains(causes[p], cause) {
				causes[p] = append(causes[p], cause)
			}
		}
	}
	return causes
}

// someCauses say why Envoy asks about some requests that are not spelled oddly.
func (p *compiled) someCauses(c *compiler) (causes []Cause) {
	if cause, ok := p.ownCause(); ok {
		causes = append(causes, cause)
	}
	for i, text := range p.spec.CORS.AllowOrigins {
		if cause, ok := c.originCause(i, text); ok {
			causes = append(causes, cause)
		}
	}
	if p.EchoesHeaders {
		causes = append(causes, p.echoCause())
	}
	return causes
}

// ownCause is about the site's own requests.
func (p *compiled) ownCause() (Cause, bool) {
	const rest = "from an origin that is not allowed and may be the site's own, without Sec-Fetch-Site"
	switch star := slices.IndexFunc(p.spec.Hosts, isStar); {
	case p.Public:
		return Cause{}, false
	case len(p.spec.Hosts) == 0:
		return Cause{Reason: "requests " + rest + ", since the policy is about every host", Hint: "write hosts"}, true
	case star >= 0:
		return Cause{
			Field: fmt.Sprintf("hosts[%d]", star), Reason: "requests " + rest + ", since the host has a star", Hint: "list the hosts one by one",
		}, true
	}
	return Cause{}, false
}

// originCause is about origins that are not plain: Envoy knows them only if they are
// listed one by one.
func (c *compiler) originCause(i int, text string) (cause Cause, found bool) {
	cause.Field = fmt.Sprintf("cors.allowOrigins[%d]", i)
	pattern, err := policy.ParsePattern(text)
	switch {
	case err != nil, pattern.Form == policy.FormAny, pattern.Form == policy.FormNull:
		return cause, false
	case isExact(pattern) && !isPlainOrigin.MatchString(text) && !slices.Contains(c.oddOrigins, text):
		cause.Reason = fmt.Sprintf("of origins with other schemes than http and https, addresses and ports below 1000, the first %d are known", maxOdd)
		cause.Hint = "list fewer of them"
		return cause, true
	case !isExact(pattern) && !hasPlain(pattern):
		cause.Reason = "it is about origins with another scheme than http and https, an address, or a port below 1000 or above 59999"
		cause.Hint = "list the origins one by one"
		return cause, true
	}
	return cause, false
}

// hasPlain reports whether a pattern with a star matches plain origins.
func hasPlain(p policy.Pattern) bool {
	if p.Port == policy.AnyPort {
		p.Port = 0
	}
	sample := p.Scheme + "://" + p.Prefix + "x" + p.Suffix + "." + p.Host
	switch p.Form {
	case policy.FormExact:
		sample = p.Scheme + "://" + p.Host
	case policy.FormAnyHost:
		sample = p.Scheme + "://x.example"
	}
	if p.Port > 0 {
		sample += fmt.Sprintf(":%d", p.Port)
	}
	return isPlainOrigin.MatchString(sample)
}

// echoCause is about answers that list the requested names.
func (p *compiled) echoCause() Cause {
	field, hint := "preflightLists", "write preflightLists: full"
	names, star := withoutStar(p.spec.CORS.AllowHeaders)
	if star {
		field, hint = "cors.allowHeaders", `list the names instead of "*"`
	}
	reason := "preflights whose list of headers is not written as browsers write it, since the answer repeats it"
	switch {
	case star:
		reason = "preflights for several headers that are not common ones, since the answer repeats the list"
	case !canEcho(names):
		reason = fmt.Sprintf("preflights with a list of headers, since the answer repeats it and the policy lists more than %d, or very long names", maxEchoed)
	}
	return Cause{Field: field, Reason: reason, Hint: hint}
}
