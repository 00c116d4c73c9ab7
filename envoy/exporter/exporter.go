// Package exporter writes policies as the CORS configuration of another system, and tells
// what is lost there. No origin is allowed there that a policy does not allow, unless the
// report says so.
package exporter

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// Target is a system that policies are exported to.
type Target string

// The targets.
const (
	GatewayAPI   Target = "gateway-api"   // HTTPRoutes with CORS filters
	EnvoyGateway Target = "envoy-gateway" // SecurityPolicies, and the HTTPRoutes that they are about
	Envoy        Target = "envoy"         // the cors filter, by virtual host and route
	Istio        Target = "istio"         // VirtualServices with a corsPolicy
)

// Targets returns all targets.
func Targets() []Target { return []Target{GatewayAPI, EnvoyGateway, Envoy, Istio} }

// Policies are judged policies, and what tells the place of a field of one in the files;
// an empty field is the whole policy.
type Policies struct {
	Specs  []policy.Spec
	Locate func(spec int, field string) source.Place
}

// Result is what became of policies.
type Result struct {
	// Document is the configuration, as YAML.
	Document []byte
	// Findings are in the order of the policies. What is about all of them, and has no
	// policy, comes first.
	Findings []source.Finding
}

// IsLossy reports whether a finding is about what a page may do: something is allowed no
// longer, or from now on, or its owner has to say.
func IsLossy(f source.Finding) bool {
	return f.Fidelity == source.Narrowed || f.Fidelity == source.Widened || f.Fidelity == source.Decide
}

// Export writes policies for a target.
func Export(to Target, ps Policies) (Result, error) {
	t := targets[to]
	e := &exporter{target: t, policies: ps}
	e.general()
	rules := make([]*rule, len(ps.Specs))
	for i := range ps.Specs {
		rules[i] = e.rule(i)
	}
	doc, err := marshal(t.head, t.write(sitesOf(ps.Specs, rules)))
	return Result{Document: doc, Findings: e.findings}, err
}

// target is what a system can say.
type target struct {
	head string // comments before the document
	// origins are the forms of origins that it has.
	origins dialect
	// strips tells that the upstream's own headers are removed, and Vary is set.
	strips bool
	// forwards tells that preflights of unknown origins can be forwarded.
	forwards bool
	// privateNetwork tells that it knows Private Network Access.
	privateNetwork bool
	// plainLists tells that a star in a list stands alone, that methods are known ones,
	// and that lists are short.
	plainLists bool
	// someAge tells that an age of zero is refused.
	someAge bool
	write   func(sites []site) []any
}

var targets = map[Target]target{
	GatewayAPI:   {head: headOf("the backends and the Gateway"), origins: gatewayOrigins, plainLists: true, someAge: true, write: writeGatewayAPI},
	EnvoyGateway: {head: headOf("the backends and the Gateway"), origins: globOrigins, write: writeEnvoyGateway},
	Envoy: {
		head: "# Put http_filters before the router, and route_config into the connection manager; replace the cluster \"upstream\".\n", origins: envoyOrigins,
		strips: true, forwards: true, privateNetwork: true, write: writeEnvoy,
	},
	Istio: {head: headOf("the destinations and the gateways"), origins: envoyOrigins, strips: true, forwards: true, someAge: true, write: writeIstio},
}

func headOf(what string) string {
	return "# Replace what is named \"upstream\" and \"gateway\": " + what + ".\n"
}

// marshal returns values as YAML documents below a head.
func marshal(head string, values []any) ([]byte, error) {
	text := bytes.NewBufferString("# Written by corsgate export.\n" + head)
	for i, v := range values {
		if i > 0 {
			text.WriteString("---\n")
		}
		enc := yaml.NewEncoder(text)
		enc.SetIndent(2)
		if err := enc.Encode(v); err != nil {
			return nil, fmt.Errorf("write YAML: %w", err)
		}
		if err := enc.Close(); err != nil {
			return nil, fmt.Errorf("write YAML: %w", err)
		}
	}
	return text.Bytes(), nil
}

// exporter is one Export.
type exporter struct {
	target   target
	policies Policies
	findings []source.Finding
}

// rule is a policy as the target has it. There is none if it adds nothing to requests.
type rule struct {
	name                       string
	origins                    []origin
	methods, headers, exposed  []string
	credentials, forwards, pna bool
	maxAge                     *int
	// strips tells that the upstream's own headers are removed.
	strips bool
}

// note adds a finding about a field of a policy.
func (e *exporter) note(spec int, field string, f source.Finding) {
	f.Policy, f.Field = e.policies.Specs[spec].Name, field
	f.Place = e.policies.Locate(spec, field)
	e.findings = append(e.findings, f)
}

// general tells what holds for all policies.
func (e *exporter) general() {
	tell := func(fidelity source.Fidelity, field, message, hint string) {
		e.findings = append(e.findings, source.Finding{Fidelity: fidelity, Field: field, Message: message, Hint: hint})
	}
	if !slices.ContainsFunc(e.policies.Specs, func(s policy.Spec) bool { return isEnforced(&s) }) {
		return
	}
	tell(source.Differs, "", "preflights are answered with 200 and all that a policy lists, whatever they ask for; the browser compares", "")
	if slices.ContainsFunc(e.policies.Specs, func(s policy.Spec) bool { return len(s.Paths) > 0 }) {
		tell(source.Widened, "paths", "a path that applications may read otherwise than it is spelled gets the answer of its spelling, and is not denied", "have the gateway normalise paths")
	}
	if !e.target.strips {
		tell(source.Dropped, "", "answers carry no Vary: a cache between may hand one origin's answer to another", "have the application send Vary: Origin")
	} else {
		tell(source.Differs, "", "answers to preflights carry no Vary; caches do not keep them", "")
	}
}

func isEnforced(s *policy.Spec) bool { return s.Mode == "" || s.Mode == policy.ModeEnforce }

// rule makes the rule of a policy.
func (e *exporter) rule(i int) *rule {
	s := &e.policies.Specs[i]
	switch s.Mode {
	case policy.ModeShadow:
		e.note(i, "mode", source.Finding{Fidelity: source.Dropped, Value: string(s.Mode), Message: "there is no rehearsal there, so the policy is left out", Hint: "rehearse it with corsgate"})
		return nil
	case policy.ModeOff:
		return nil
	}
	r := &rule{name: s.Name, credentials: s.CORS.AllowCredentials, pna: s.AllowPrivateNetwork && e.target.privateNetwork}
	r.strips = s.UpstreamHeaders != policy.UpstreamDefer && e.target.strips
	r.forwards = s.UnmatchedPreflights == policy.UnmatchedForward && e.target.forwards
	e.origins(i, r)
	e.lists(i, r)
	e.age(i, r)
	e.settings(i, r)
	return r
}

// settings tells which settings of a policy the target has not.
func (e *exporter) settings(i int, r *rule) {
	s := &e.policies.Specs[i]
	say := func(lost bool, field string, fidelity source.Fidelity, value, message, hint string) {
		if lost {
			e.note(i, field, source.Finding{Fidelity: fidelity, Value: value, Message: message, Hint: hint})
		}
	}
	say(s.DeniedRequests != "" && s.DeniedRequests != policy.DeniedPass, "deniedRequests", source.Widened, string(s.DeniedRequests),
		"requests of other origins are not blocked there", "have the application check the Origin of unsafe requests")
	deferring := s.UpstreamHeaders == policy.UpstreamDefer
	say(deferring, "upstreamHeaders", source.Decide, string(s.UpstreamHeaders),
		"for an origin that is allowed, the policy replaces what the upstream says; for another one, what the upstream says reaches the page", "look at what the upstream sends")
	say(!deferring && !e.target.strips, "upstreamHeaders", source.Widened, string(s.UpstreamHeaders),
		"Access-Control headers of the upstream's own reach the page there", "have the application send none, or remove them in the gateway")
	bare := !e.target.forwards && len(r.origins) == 0
	say(bare, "unmatchedPreflights", source.Widened, string(s.UnmatchedPreflights),
		"no origin is left, so the policy is left out: every preflight reaches the upstream there", "list origins that can be written there")
	say(s.UnmatchedPreflights == policy.UnmatchedForward && !e.target.forwards && !bare, "unmatchedPreflights", source.Narrowed, string(s.UnmatchedPreflights),
		"a preflight of another origin does not reach the upstream there", "")
	say(s.AllowPrivateNetwork && !e.target.privateNetwork, "allowPrivateNetwork", source.Dropped, "true",
		"there is no such answer there; browsers ignore it", "")
	say(s.PreflightStatus == 204, "preflightStatus", source.Differs, "204", "the status is 200 there; browsers take both", "")
	say(s.PreflightLists == policy.ListsRequested, "preflightLists", source.Differs, string(s.PreflightLists), "the lists are sent in full there", "")
	say(s.Debug, "debug", source.Dropped, "true", "a denied preflight does not say why there", "")
}
