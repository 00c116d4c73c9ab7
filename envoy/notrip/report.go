package notrip

import (
	"fmt"

	"github.com/corsgate/corsgate/policy"
)

// Asked says how much of what a policy covers is asked about.
type Asked string

// How much is asked about.
const (
	AskedNothing Asked = "odd-spellings" // only requests that are spelled oddly
	AskedSome    Asked = "some"          // some requests besides
	AskedAll     Asked = "all"           // every request with an Origin
)

// Report says what of a policy is asked about.
type Report struct {
	Policy string `json:"policy"`
	Asked  Asked  `json:"asked"`
	// Causes are the fields that are the reason, with what would change it.
	Causes []Cause `json:"causes,omitempty"`
}

// Cause is one field that is a reason to ask.
type Cause struct {
	// Field is a field of the policy, as the policy file names it.
	Field string `json:"field"`
	// Reason says what is asked about, and why, and Hint what would change it.
	Reason string `json:"reason"`
	Hint   string `json:"hint"`
}

// report judges each policy, and marks those that are asked about whole.
func (c *compiler) report() (list []Report) {
	for _, p := range c.policies {
		r := Report{Policy: p.spec.Name, Asked: AskedNothing}
		if p.spec.Mode != policy.ModeOff {
			r.Causes = wholeCauses(p)
		}
		if len(r.Causes) > 0 {
			r.Asked, p.asked = AskedAll, true
		} else if r.Causes = someCauses(p); len(r.Causes) > 0 {
			r.Asked = AskedSome
		}
		list = append(list, r)
	}
	return list
}

// wholeCauses are why a policy is asked about whole.
func wholeCauses(p *compiled) (causes []Cause) {
	if len(p.spec.CORS.AllowOriginRegexes) > 0 {
		causes = append(causes, Cause{"cors.allowOriginRegexes", "Envoy's regular expressions are not quite those of the service", "write patterns under cors.allowOrigins"})
	}
	if p.spec.Mode == policy.ModeShadow {
		causes = append(causes, Cause{"mode", "a rehearsal is decided by the service, with what is enforced on its hosts", "write enforce, or take the policy out, once the rehearsal is over"})
	}
	for i, path := range p.spec.Paths {
		if !readsOnce(path) {
			causes = append(causes, Cause{fmt.Sprintf("paths[%d]", i), "applications read this path in several ways", "write a path without escapes, and without \";\" and \"\\\""})
		}
	}
	return causes
}

// someCauses are why some requests are asked about, though they are not spelled oddly.
func someCauses(p *compiled) (causes []Cause) {
	return causes
}
