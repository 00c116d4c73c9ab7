package differential

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/server/contract"
)

// exchange is a request with what the upstream would answer, and what came of it.
type exchange struct {
	cases.Case
	id        string
	overHTTP2 bool

	got     cases.Outcome
	err     error // of the connection
	log     logLine
	seen    policy.Request // as Envoy saw the request
	decided cases.Outcome  // what comes of it by Decide
}

// read completes what is known once the log has come.
func (e *exchange) read(w *world, up *upstream) {
	status, forwarded := up.answered(e.id)
	if forwarded {
		e.Upstream.Status = status
	}
	if e.Client.Protocol != "" && status == http.StatusSwitchingProtocols && e.got.Response.Status == http.StatusOK {
		e.got.Response.Status = status // RFC 8441, section 5
	}
	e.got.Forwarded, e.got.Policy, e.got.Reason = forwarded, e.log.Policy, e.log.Reason
	if e.log.ShadowReason != "" {
		e.got.Shadow = &cases.Shadow{Policy: e.log.ShadowPolicy, Reason: e.log.ShadowReason, Differs: e.log.ShadowDiffers}
	}
	e.asEnvoySaw()
	e.seen = e.Request()
	e.decided = e.Decide(w.set)
}

// asEnvoySaw changes what the client sent to what the filters saw of it: the path is
// resolved, HTTP/1 has no white space around a value, and WebSockets over HTTP/2 are
// translated.
func (e *exchange) asEnvoySaw() {
	e.Client.Path, e.Client.Method, e.Client.Protocol = fromLog(e.log.Path, e.Client.Path), e.log.Method, e.log.Protocol
	if e.overHTTP2 && e.log.Upgrade != "" {
		e.Client.Headers["upgrade"] = []string{e.log.Upgrade}
	}
	if e.overHTTP2 {
		return
	}
	e.Client.Host = strings.Trim(e.Client.Host, " \t")
	for _, lines := range e.Client.Headers {
		for i := range lines {
			lines[i] = strings.Trim(lines[i], " \t")
		}
	}
}

// fromLog undoes what Envoy's log does to a value: if the value is not UTF-8, each of
// its bytes is written as the code point of that number.
func fromLog(logged, sent string) string {
	if utf8.ValidString(sent) {
		return logged
	}
	var b []byte
	for _, r := range logged {
		b = append(b, byte(r))
	}
	return string(b)
}

// compare returns a line for each difference of what came from what should have. asked
// tells that corsgate was asked, or would have been.
func (e *exchange) compare(v variant, w *world, asked bool) []string {
	if e.got.Response.Status == http.StatusServiceUnavailable {
		return []string{"status: got 503, which nobody answers"}
	}
	if e.refused() {
		return e.compareRefused(v, w)
	}
	want := e.decided
	if e.seen.Origin == "" && e.got.Reason == "" {
		want.Policy, want.Reason, want.Shadow = "", "", nil // nothing is noted
	}
	if !v.compiled.PolicyNames && !asked {
		want.Policy = ""
	}
	if e.got.Forwarded && e.got.Response.Headers.Joined(keptHeader) == "" {
		return []string{keptHeader + ": got none, want that of the upstream"}
	}
	return e.got.Diff(want)
}

// refused reports whether only the service could decide, and did not.
func (e *exchange) refused() bool {
	return e.got.Reason == contract.NeedsService || e.got.Reason == contract.Unanswered
}

// compareRefused compares with the rule for what nobody decides: without a service
// every preflight gets 403; what a policy may block, too; all else is stripped. A
// dead one forwards preflights that no policy may block.
func (e *exchange) compareRefused(v variant, w *world) []string {
	preflight := e.seen.Method == http.MethodOptions && e.seen.Origin != "" && e.seen.RequestMethod != ""
	stripped := e.outcome(policy.Answer{Action: policy.Edit, Apply: policy.ApplyStrip})
	blocked := e.outcome(policy.Answer{Action: policy.Reply, Status: http.StatusForbidden, Headers: []policy.Header{{Name: "vary", Value: "Origin"}}})
	refused := e.outcome(policy.Answer{Action: policy.Reply, Status: http.StatusForbidden,
		Headers: []policy.Header{{Name: "vary", Value: "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}}})
	switch {
	case v.service == serves || v.service == dead && e.got.Reason != contract.Unanswered || v.service == absent && e.got.Reason != contract.NeedsService:
		return []string{"reason: got " + e.got.Reason + ", which is not for this Envoy"}
	case preflight && v.service == absent:
		return e.got.Diff(refused)
	case e.mustBlock(w, preflight):
		return e.got.Diff(blocked)
	case e.mayBlock(v, w, preflight) && len(e.got.Diff(blocked)) == 0:
		return nil
	}
	return e.got.Diff(stripped)
}

// outcome is what comes of an answer that no policy gives.
func (e *exchange) outcome(a policy.Answer) cases.Outcome {
	o := cases.OutcomeOf(policy.Decision{Verdict: policy.Verdict{Answer: &a}}, e.Upstream)
	o.Reason = e.got.Reason
	return o
}

// mustBlock reports whether the policy that decides may block the request.
func (e *exchange) mustBlock(w *world, preflight bool) bool {
	if !preflight && !e.decided.Forwarded {
		return true
	}
	p := w.byName[e.decided.Policy]
	return p != nil && e.blocks(p, preflight)
}

// mayBlock reports whether a policy may block the request that is about its host. If
// the host is spelled oddly any policy may, unless it is surely one where none blocks.
func (e *exchange) mayBlock(v variant, w *world, preflight bool) bool {
	isOdd := isOddAuthority(e.seen.Authority, v.compiled.Ports)
	if isOdd && e.seen.Policy == "" && w.isCalm(e.seen.Authority) {
		return false
	}
	return slices.ContainsFunc(w.specs, func(p policy.Spec) bool {
		return e.blocks(&p, preflight) && (isOdd || e.seen.Policy != "" || coversHost(&p, e.seen.Authority))
	})
}

// isCalm reports whether an authority is an odd spelling of a policy's host that no
// policy covers which blocks.
func (w *world) isCalm(authority string) bool {
	hosts := w.exactHosts()
	i := slices.IndexFunc(hosts, func(host string) bool {
		return regexp.MustCompile(`(?is)^(.*@)?` + regexp.QuoteMeta(host) + `\.?(:.*)?$`).MatchString(authority)
	})
	return i >= 0 && len(hosts) <= mostNamed && !slices.ContainsFunc(w.specs, func(p policy.Spec) bool {
		return blocksSome(&p) && coversHost(&p, hosts[i])
	})
}

// blocks reports whether p may block such a request, whatever its origin.
func (e *exchange) blocks(p *policy.Spec, preflight bool) bool {
	r := &e.seen
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	switch {
	case !blocksSome(p) || r.Origin == "":
		return false
	case preflight:
		return true
	case strings.EqualFold(r.Upgrade, "websocket") || r.Protocol == "websocket":
		return false
	case r.SecFetchSite == "same-origin" || r.SecFetchSite == "none":
		return false
	}
	return p.DeniedRequests == policy.DeniedBlock || !safe
}

// blocksSome reports whether p may block any request.
func blocksSome(p *policy.Spec) bool {
	return p.Mode != policy.ModeOff && p.Mode != policy.ModeShadow && (p.DeniedRequests == policy.DeniedBlock || p.DeniedRequests == policy.DeniedBlockUnsafe)
}

func coversHost(p *policy.Spec, authority string) bool {
	host, _, _ := strings.Cut(authority, ":")
	if i := strings.IndexByte(authority, ']'); i >= 0 {
		host = authority[:i+1]
	}
	return len(p.Hosts) == 0 || slices.ContainsFunc(p.Hosts, func(own string) bool {
		parent, starred := strings.CutPrefix(own, "*")
		return own == host || starred && strings.HasSuffix(host, parent)
	})
}

// report describes an exchange that went wrong.
func (e *exchange) report(w *world, lines []string) string {
	var b strings.Builder
	wire := "HTTP/1"
	if e.overHTTP2 {
		wire = "HTTP/2"
	}
	fmt.Fprintf(&b, "%s: %s\n", e.id, strings.Join(lines, "\n\t"))
	fmt.Fprintf(&b, "request over %s, as Envoy saw it: %+q\n", wire, e.seen)
	fmt.Fprintf(&b, "the upstream would answer %d %+q\n", e.Upstream.Status, map[string][]string(e.Upstream.Headers))
	fmt.Fprintf(&b, "the client got %d %+q, details %s\n", e.got.Response.Status, map[string][]string(e.got.Response.Headers), e.log.Details)
	for _, name := range slices.Compact([]string{e.decided.Policy, e.got.Policy}) {
		if p := w.byName[name]; p != nil {
			b.WriteString(yamlOf(*p))
		}
	}
	return b.String()
}

// yamlOf writes a policy as policy files have it.
func yamlOf(p policy.Spec) string {
	doc, err := json.Marshal([]policy.Spec{p})
	if err != nil {
		return err.Error()
	}
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		return err.Error()
	}
	text, err := yaml.Marshal(map[string]any{"policies": v})
	if err != nil {
		return err.Error()
	}
	return string(text)
}
