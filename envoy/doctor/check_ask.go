package doctor

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	mutation "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	proc "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	matcher "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	types "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// notGRPC reports filters that ask in a protocol that corsgate does not speak.
func notGRPC(f *facts, report report) {
	for _, a := range f.asks() {
		if a.proc.GetHttpService() != nil || a.authz.GetHttpService() != nil {
			report(policy.Error, a.place, a.kind()+" has an http_service, and corsgate speaks gRPC", "no request is decided",
				"grpc_service: {envoy_grpc: {cluster_name: corsgate}} instead")
		}
	}
}

// modes ranges over the processing modes of an ext_proc filter: its own one, and those by
// which virtual hosts and routes override it.
func (m *manager) modes(a *ask) iter.Seq2[Place, *proc.ProcessingMode] {
	return func(yield func(Place, *proc.ProcessingMode) bool) {
		if a.proc == nil || !yield(a.place, a.proc.GetProcessingMode()) {
			return
		}
		for _, s := range m.spots {
			mode := overrides(s.says[0], a.place.Filter).GetProcessingMode()
			if mode != nil && !yield(s.place.filter(a.place.Filter), mode) {
				return
			}
		}
	}
}

// overrides returns what one place overrides of an ext_proc filter, or nil.
func overrides(says perFilter, name string) *proc.ExtProcOverrides {
	c, _ := says.of(name).(*proc.ExtProcPerRoute)
	return c.GetOverrides()
}

const asPrinted = "processing_mode as \"corsgate envoy-config\" prints it: "

// requestsNotSent reports filters that send no request headers: then nothing is decided
// before the response comes, and preflights are not answered.
func requestsNotSent(f *facts, report report) {
	for m, a := range f.asks() {
		for p, mode := range m.modes(a) {
			if mode.GetRequestHeaderMode() == proc.ProcessingMode_SKIP {
				report(policy.Error, p, "request_header_mode is SKIP", "preflights reach the upstream, and corsgate does not learn who asks", asPrinted+"request_header_mode: SEND")
			}
		}
	}
}

// responsesNotEdited reports answers to pages that nobody edits: neither does corsgate see
// them, nor is there a filter that writes what it has decided.
func responsesNotEdited(f *facts, report report) {
	const seen = "preflights pass, and the answers to the requests themselves have the upstream's CORS headers, or none"
	for m, a := range f.asks() {
		applies := m.with(roleApply)
		if len(applies) > 0 && applies[0].sets {
			continue
		}
		for p, mode := range m.modes(a) {
			switch {
			case mode.GetResponseHeaderMode() == proc.ProcessingMode_SKIP:
				report(policy.Error, p, "response_header_mode is SKIP, and no filter corsgate.apply sets the headers", seen,
					asPrinted+"response_header_mode: SEND; or add the filter corsgate.apply directly behind")
			case a.proc.GetSendBodyWithoutWaitingForHeaderResponse():
				report(policy.Error, p, "send_body_without_waiting_for_header_response tells corsgate that corsgate.apply sets the headers, and there is no such filter", seen,
					"take it away, or add the filter corsgate.apply directly behind")
			}
		}
		if len(applies) == 0 && a.authz != nil {
			m.contextsWithoutApply(report)
		}
	}
}

// contextsWithoutApply reports places that say by ext_authz's context that corsgate.apply
// writes the headers.
func (m *manager) contextsWithoutApply(report report) {
	fl := m.decides()[0]
	for _, s := range m.routeSpots() {
		if s.runs(fl) && s.headersInMetadata(fl) {
			report(policy.Error, s.place, "the context extension \"headers: metadata\" says that corsgate.apply sets the headers, and there is no such filter",
				"preflights pass, and the answers to the requests themselves have the upstream's CORS headers, or none",
				"add the filter corsgate.apply directly behind, or take the context extension away")
		}
	}
}

// bodiesSent reports filters that send what corsgate does not read.
func bodiesSent(f *facts, report report) {
	for m, a := range f.asks() {
		for p, mode := range m.modes(a) {
			judgeBodies(p, mode, report)
		}
		if a.authz.GetWithRequestBody() != nil {
			report(policy.Warning, a.place, "with_request_body sends bodies, which corsgate does not read",
				"each request waits until its body is there, and a large one gets 413 or hangs", "take with_request_body away")
		}
	}
}

func judgeBodies(p Place, mode *proc.ProcessingMode, report report) {
	write := asPrinted + "request_body_mode: NONE, response_body_mode: NONE, trailers SKIP"
	bodies := max(mode.GetRequestBodyMode(), mode.GetResponseBodyMode())
	trailers := mode.GetRequestTrailerMode() == proc.ProcessingMode_SEND || mode.GetResponseTrailerMode() == proc.ProcessingMode_SEND
	switch {
	case bodies >= proc.ProcessingMode_FULL_DUPLEX_STREAMED:
		report(policy.Error, p, "bodies are sent in the mode "+bodies.String()+", in which Envoy takes what comes back for the body, and nothing comes back",
			"the bodies of answers are lost, and requests with a body get 500", write)
	case bodies != proc.ProcessingMode_NONE:
		report(policy.Warning, p, "bodies are sent, in the mode "+bodies.String()+", and corsgate does not read them",
			"each chunk of a body waits for an answer; a buffered one above Envoy's limit gets 413 or 500", write)
	case trailers:
		report(policy.Warning, p, "trailers are sent, and corsgate does not read them", "each request with trailers waits for one more answer", write)
	}
}

func answersIgnored(f *facts, report report) {
	for _, a := range f.asks() {
		switch {
		case a.proc.GetObservabilityMode():
			report(policy.Error, a.place, "observability_mode is on, so that Envoy does not use the answers", "nothing is decided: preflights reach the upstream", "take observability_mode away")
		case a.authz.GetShadowMode():
			report(policy.Error, a.place, "shadow_mode is on, so that Envoy does not use the answers", "nothing is decided: preflights reach the upstream", "take shadow_mode away")
		}
	}
}

func immediateAnswersOff(f *facts, report report) {
	for _, a := range f.asks() {
		if a.proc.GetDisableImmediateResponse() {
			report(policy.Error, a.place, "disable_immediate_response is on", "each preflight, and each request that a policy blocks, gets 500", "take disable_immediate_response away")
		}
	}
}

func modeOverride(f *facts, report report) {
	for _, a := range f.asks() {
		if a.proc.GetAllowModeOverride() {
			report(policy.Note, a.place, "allow_mode_override is on, and corsgate overrides no mode", "nothing, as long as corsgate answers", "take allow_mode_override away")
		}
	}
}

// needed are the request headers that a decision looks at. Others of those that are
// forwarded matter to some requests only.
var needed = []string{"origin", ":method", ":authority", ":path", "access-control-request-method", "access-control-request-headers"}

// headersWithheld reports rules that keep from corsgate what a decision looks at.
func headersWithheld(f *facts, report report) {
	for _, a := range f.asks() {
		allowed, denied := a.proc.GetForwardRules().GetAllowedHeaders(), a.proc.GetForwardRules().GetDisallowedHeaders()
		field := "forward_rules"
		if a.authz != nil {
			allowed, denied, field = a.authz.GetAllowedHeaders(), a.authz.GetDisallowedHeaders(), "allowed_headers"
		}
		var missing []string
		for _, name := range needed {
			always := a.authz != nil && name[0] == ':' // Envoy tells ext_authz these in fields of their own
			if (allowed != nil && !matches(allowed, name) || matches(denied, name)) && !always {
				missing = append(missing, name)
			}
		}
		if missing != nil {
			report(policy.Error, a.place, fmt.Sprintf("%s keep %s from corsgate", field, strings.Join(missing, ", ")),
				"corsgate decides as if the request had no such header: preflights and pages of allowed origins are not recognised",
				field+" as \"corsgate envoy-config\" prints them: "+strings.Join(contract.ForwardedHeaders(), ", ")+", and the prefix "+contract.ForwardedPrefix)
		}
		if a.authz != nil && !a.authz.GetEncodeRawHeaders() {
			report(policy.Note, a.place, "encode_raw_headers is not on, so that corsgate is told \"!\" for each byte that is not UTF-8",
				"nothing for browsers, which send none; other clients may get an answer about another name than they have sent", "encode_raw_headers: true, if your gateway lets you")
		}
	}
}

// matches reports whether a name matches one of the patterns. What cannot be decided here
// counts as a match, so that nothing is accused of it.
func matches(list *matcher.ListStringMatcher, name string) bool {
	return slices.ContainsFunc(list.GetPatterns(), func(p *matcher.StringMatcher) bool { return fits(p, name) })
}

// fits reports whether a text matches a pattern, as far as that can be decided here.
func fits(p *matcher.StringMatcher, text string) bool {
	fold := func(s string) string {
		if p.GetIgnoreCase() {
			return strings.ToLower(s)
		}
		return s
	}
	switch pattern := p.GetMatchPattern().(type) {
	case *matcher.StringMatcher_Exact:
		return fold(pattern.Exact) == fold(text)
	case *matcher.StringMatcher_Prefix:
		return strings.HasPrefix(fold(text), fold(pattern.Prefix))
	case *matcher.StringMatcher_Suffix:
		return strings.HasSuffix(fold(text), fold(pattern.Suffix))
	case *matcher.StringMatcher_Contains:
		return strings.Contains(fold(text), fold(pattern.Contains))
	case *matcher.StringMatcher_SafeRegex:
		return wholly(pattern.SafeRegex.GetRegex(), text, true)
	}
	return true
}

// wholly reports whether an expression matches the whole text. One that is not RE2, or
// that is long, says otherwise.
func wholly(expr, text string, otherwise bool) bool {
	if len(expr) > 1024 {
		return otherwise
	}
	re, err := regexp.Compile("^(?:" + expr + ")$")
	if err != nil {
		return otherwise
	}
	return re.MatchString(text)
}

// credentialsSent notes filters that hand corsgate what it does not need.
func credentialsSent(f *facts, report report) {
	const seen = "nothing, but corsgate is told secrets, and each question is longer"
	for _, a := range f.asks() {
		switch {
		case a.proc != nil && a.proc.GetForwardRules() == nil:
			report(policy.Note, a.place, "it sends all request headers, cookies and Authorization among them", seen, "forward_rules as \"corsgate envoy-config\" prints them, if your gateway lets you")
		case a.authz != nil && a.authz.GetAllowedHeaders() == nil:
			report(policy.Note, a.place, "it sends all request headers, cookies and Authorization among them", seen, "allowed_headers as \"corsgate envoy-config\" prints them, if your gateway lets you")
		}
		if a.authz.GetIncludePeerCertificate() || a.authz.GetIncludeTlsSession() {
			report(policy.Note, a.place, "it sends what the client's TLS session has", seen, "take include_peer_certificate and include_tls_session away")
		}
	}
}

// routeCacheCleared notes filters that have Envoy choose the route again.
func routeCacheCleared(f *facts, report report) {
	for _, a := range f.asks() {
		if a.authz.GetClearRouteCache() || a.proc.GetRouteCacheAction() == proc.ExternalProcessor_CLEAR {
			report(policy.Note, a.place, "Envoy chooses the route anew after each answer, and corsgate changes nothing by which it would be another one", "nothing, but it takes time",
				"take clear_route_cache away; in ext_proc, route_cache_action: RETAIN")
		}
	}
}

// mutationsRefused reports rules by which Envoy drops what corsgate writes.
func mutationsRefused(f *facts, report report) {
	for _, a := range f.asks() {
		var refused []string
		for _, name := range []string{allowOrigin, corsPrefix + "allow-methods", "vary"} {
			if refuses(a.proc.GetMutationRules(), name) {
				refused = append(refused, name)
			}
		}
		if refused != nil {
			report(policy.Error, a.place, "mutation_rules refuse "+strings.Join(refused, ", "), "what corsgate answers lacks these headers, so that browsers block",
				`mutation_rules: {disallow_all: true, allow_expression: {regex: "^(access-control-.*|vary|x-corsgate-reason)$"}}`)
		}
	}
}

// refuses follows HeaderMutationRules: what is disallowed by its name is so in any case.
func refuses(rules *mutation.HeaderMutationRules, name string) bool {
	if e := rules.GetDisallowExpression(); e != nil && wholly(e.GetRegex(), name, false) {
		return true
	}
	allowed := rules.GetAllowExpression() != nil && wholly(rules.GetAllowExpression().GetRegex(), name, true)
	return rules.GetDisallowAll().GetValue() && !allowed
}

// metadataRefused reports filters that do not write the metadata that corsgate.apply reads.
func metadataRefused(f *facts, report report) {
	const seen = "corsgate.apply does not learn what was decided: it removes the CORS headers and grants nothing, or leaves the upstream's"
	for m, a := range f.asks() {
		applies := m.with(roleApply)
		if len(applies) == 0 {
			continue
		}
		profile, namespace := "one-trip", contract.Namespace
		switch {
		case a.authz != nil:
			profile, namespace = "ext-authz", contract.AuthzNamespace
		case a.proc.GetProcessingMode().GetResponseHeaderMode() != proc.ProcessingMode_SKIP:
			profile = "two-phase"
		}
		if !slices.Contains(applies[0].reads, namespace) {
			report(policy.Error, applies[0].place, "it is that of another profile: it does not look for the decision where "+a.kind()+" writes it", seen,
				"all filters of one profile: corsgate envoy-config --only filters --profile "+profile)
			continue
		}
		if a.proc != nil && !slices.Contains(a.proc.GetMetadataOptions().GetReceivingNamespaces().GetUntyped(), contract.Namespace) {
			report(policy.Error, a.place, "metadata_options lets corsgate not write its metadata", seen,
				"metadata_options: {receiving_namespaces: {untyped: ["+contract.Namespace+"]}}")
		}
	}
}

// askedByChance reports filters that ask about some of the requests.
func askedByChance(f *facts, report report) {
	for _, a := range f.asks() {
		if enabled := a.authz.GetFilterEnabled(); enabled != nil && !whole(enabled) {
			report(policy.Warning, a.place, "filter_enabled asks about a share of the requests", "the others are not decided: the same page passes and fails by chance", "take filter_enabled away")
		} else if enabled.GetRuntimeKey() != "" {
			report(policy.Note, a.place, "filter_enabled has a runtime key, which may change what it says", "if it is below 100 %, the other requests are not decided: the same page passes and fails by chance", "take runtime_key away")
		}
	}
}

// whole reports whether a share of requests is all of them.
func whole(p *core.RuntimeFractionalPercent) bool {
	value := p.GetDefaultValue()
	all := map[types.FractionalPercent_DenominatorType]uint32{types.FractionalPercent_HUNDRED: 100, types.FractionalPercent_TEN_THOUSAND: 10_000, types.FractionalPercent_MILLION: 1_000_000}
	return value.GetNumerator() >= all[value.GetDenominator()]
}

// The bounds of how long Envoy should wait for an answer: a decision takes microseconds,
// and what is longer is how long a page waits if corsgate hangs.
const (
	shortest = 5 * time.Millisecond
	long     = 5 * time.Second
	longest  = time.Minute
)

// timeouts judges how long Envoy waits. Without a message_timeout, ext_proc waits 200 ms,
// and so does ext_authz without a timeout of its grpc_service.
func timeouts(f *facts, report report) {
	for _, a := range f.asks() {
		field, value := "message_timeout", a.proc.GetMessageTimeout()
		if a.authz != nil {
			field, value = "grpc_service.timeout", a.authz.GetGrpcService().GetTimeout()
		}
		if value != nil {
			judgeTimeout(a, field, value, report)
		}
	}
}

func judgeTimeout(a *ask, field string, value *durationpb.Duration, report report) {
	d := value.AsDuration()
	what, write := fmt.Sprintf("%s is %v", field, d), field+": 0.5s"
	switch {
	case d == 0 && a.authz != nil:
		report(policy.Error, a.place, what+", which means that Envoy waits for ever", "if corsgate hangs, pages hang with it", write)
	case d <= 0:
		report(policy.Error, a.place, what, "Envoy hardly waits for an answer: most requests with an Origin get no grant, or an error if it fails closed", write)
	case d < shortest:
		report(policy.Note, a.place, what, "a busy machine answers later: such requests get no grant, or an error if it fails closed", write)
	case d > longest:
		report(policy.Warning, a.place, what, "if corsgate hangs, each request with an Origin waits that long", write)
	case d > long:
		report(policy.Note, a.place, what, "if corsgate hangs, each request with an Origin waits that long", write)
	}
}

// failureModesDiffer reports listeners and routes on which an outage does something else
// than on others.
func failureModesDiffer(f *facts, report report) {
	var first *ask
	for m, a := range f.asks() {
		switch {
		case first == nil:
			first = a
		case a.failsOpen() != first.failsOpen():
			reportMode(a.place, a.failsOpen(), first.place, report)
		}
		for _, s := range m.spots {
			if v := overrides(s.says[0], a.place.Filter).GetFailureModeAllow(); v != nil && v.GetValue() != a.failsOpen() {
				reportMode(s.place.filter(a.place.Filter), v.GetValue(), a.place, report)
			}
		}
	}
}

func reportMode(p Place, open bool, other Place, report report) {
	report(policy.Warning, p, fmt.Sprintf("failure_mode_allow is %v, and it is %v at %s", open, !open, other),
		"if corsgate does not answer, some requests pass and others fail, by the listener or route that they come by", "the same failure_mode_allow everywhere")
}

func (a *ask) failsOpen() bool { return a.proc.GetFailureModeAllow() || a.authz.GetFailureModeAllow() }

// failsOpen notes that policies that block do not do so in an outage.
func failsOpen(f *facts, report report) {
	if f.policies == nil {
		return
	}
	blocks := slices.ContainsFunc(f.policies.Specs(), func(s policy.Spec) bool { return s.DeniedRequests != "" && s.DeniedRequests != policy.DeniedPass })
	for _, a := range f.asks() {
		if blocks && a.failsOpen() {
			report(policy.Note, a.place, "failure_mode_allow is on, and a policy has deniedRequests: block or block-unsafe",
				"while corsgate does not answer, nothing is blocked", "corsgate envoy-config --fail closed, if that is not meant")
		}
	}
}

// failsWith500 notes filters whose failures look like the application's.
func failsWith500(f *facts, report report) {
	for _, a := range f.asks() {
		status := a.proc.GetStatusOnError()
		code := "500"
		if a.authz != nil {
			status, code = a.authz.GetStatusOnError(), "403"
		}
		if !a.failsOpen() && status == nil {
			report(policy.Note, a.place, "it fails closed, and has no status_on_error", "while corsgate does not answer, each request gets "+code+", as if the application had answered so",
				"status_on_error: {code: 503}, or failure_mode_allow: true")
		}
	}
}

// bareFilter notes an ext_proc outside of a matcher, and an ext_authz without the filter that
// edits responses.
func bareFilter(f *facts, report report) {
	for m, a := range f.asks() {
		if m.keepsOthers() && a.authz != nil {
			report(policy.Note, a.place, "ext_authz stands alone, and no filter behind it edits responses", "the application's own CORS headers stay in answers to origins that are not allowed, and to requests without an Origin",
				"have the application send none, or use the filters that \"corsgate envoy-config --profile ext-authz\" prints, if your gateway lets you")
		}
		if a.bare && a.proc.GetProcessingMode().GetResponseHeaderMode() != proc.ProcessingMode_SKIP {
			report(policy.Note, a.place, "ext_proc stands outside of a composite", "Envoy's answers to broken HTTP/1 requests (400, 431) are empty",
				"the filter that \"corsgate envoy-config --profile two-phase\" prints, if your gateway lets you")
		}
	}
}
