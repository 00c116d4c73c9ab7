package doctor

import (
	"fmt"
	"slices"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	csrf "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/csrf/v3"
	authz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	jwt "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	ratelimit "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	rbac "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"

	"github.com/corsgate/corsgate/policy"
)

// refusal is how a filter that is not corsgate's may end a request.
type refusal struct {
	level policy.Level
	seen  string
}

const (
	blockedBefore = "so browsers block the request; and its other answers have no CORS headers, so that pages see a network error"
	answersBare   = "its own answers have no CORS headers, so that pages see a network error"
)

// refusing are the filters that answer by themselves. Each must stand behind corsgate's:
// a preflight carries no credentials (Fetch, section "CORS-preflight fetch"), and about a
// request that a filter ends before corsgate's have seen it nothing is decided.
var refusing = map[string]refusal{
	"jwt_authn.v3.JwtAuthentication":                     {policy.Error, "preflights carry no token, so they get 401, " + blockedBefore},
	"ext_authz.v3.ExtAuthz":                              {policy.Error, "preflights carry no credentials, so they may get 401 or 403, " + blockedBefore},
	"ext_proc.v3.ExternalProcessor":                      {policy.Warning, "if it answers a request itself, " + answersBare},
	"rbac.v3.RBAC":                                       {policy.Error, "preflights carry no credentials, so they may get 403, " + blockedBefore},
	"oauth2.v3.OAuth2":                                   {policy.Error, "preflights carry no cookie, so they are redirected, " + blockedBefore},
	"basic_auth.v3.BasicAuth":                            {policy.Error, "preflights carry no password, so they get 401, " + blockedBefore},
	"api_key_auth.v3.ApiKeyAuth":                         {policy.Error, "preflights carry no key, so they get 401, " + blockedBefore},
	"ratelimit.v3.RateLimit":                             {policy.Error, "preflights count against the limit, and its 429 has no CORS headers, so that pages see a network error"},
	"local_ratelimit.v3.LocalRateLimit":                  {policy.Error, "preflights count against the limit, and its 429 has no CORS headers, so that pages see a network error"},
	"rate_limit_quota.v3.RateLimitQuotaFilterConfig":     {policy.Error, "preflights count against the limit, and its 429 has no CORS headers, so that pages see a network error"},
	"csrf.v3.CsrfPolicy":                                 {policy.Error, "requests of other origins get 403 without CORS headers, also of origins that a policy allows"},
	"admission_control.v3.AdmissionControl":              {policy.Warning, answersBare},
	"adaptive_concurrency.v3.AdaptiveConcurrency":        {policy.Warning, answersBare},
	"fault.v3.HTTPFault":                                 {policy.Warning, answersBare},
	"buffer.v3.Buffer":                                   {policy.Warning, "its 413 has no CORS headers, so that pages see a network error"},
	"file_system_buffer.v3.FileSystemBufferFilterConfig": {policy.Warning, "its 413 has no CORS headers, so that pages see a network error"},
	"cache.v3.CacheConfig":                               {policy.Warning, "it keeps answers with the CORS headers of one origin, and may hand them to another one"},
	"lua.v3.Lua":                                         {policy.Warning, "if it answers a request itself, " + answersBare},
	"wasm.v3.Wasm":                                       {policy.Warning, "if it answers a request itself, " + answersBare},
	"golang.v3alpha.Config":                              {policy.Warning, "if it answers a request itself, " + answersBare},
	"dynamic_modules.v3.DynamicModuleFilter":             {policy.Warning, "if it answers a request itself, " + answersBare},
	"custom_response.v3.CustomResponse":                  {policy.Warning, "the answers that it exchanges lack what corsgate has written"},
}

// harmless are the filters that neither answer a request of a page nor touch what
// corsgate looks at.
var harmless = []string{
	"health_check.v3.HealthCheck", "grpc_web.v3.GrpcWeb", "grpc_stats.v3.FilterConfig", "grpc_http1_bridge.v3.Config", "compressor.v3.Compressor",
	"decompressor.v3.Decompressor", "header_to_metadata.v3.Config", "json_to_metadata.v3.JsonToMetadata", "set_metadata.v3.Config", "set_filter_state.v3.Config", "tap.v3.Tap", "geoip.v3.Geoip",
	"ip_tagging.v3.IPTagging", "stateful_session.v3.StatefulSession", "alternate_protocols_cache.v3.FilterConfig", "header_mutation.v3.HeaderMutation",
	"on_demand.v3.OnDemand", "bandwidth_limit.v3.BandwidthLimit", "original_src.v3.OriginalSrc", "cors.v3.Cors", "credential_injector.v3.CredentialInjector",
	"aws_request_signing.v3.AwsRequestSigning", "dynamic_forward_proxy.v3.FilterConfig", "stats.PluginConfig", "composite.v3.Composite", "filter_chain.v3.FilterChainConfig",
	"io.istio.http.peer_metadata.Config", "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
}

// acts reports whether a filter that may refuse does so for anybody.
func (m *manager) acts(fl *filter) bool {
	perRoute := slices.ContainsFunc(m.spots, func(s spot) bool { return s.config(fl.GetName()) != nil && s.runs(fl) })
	switch c := fl.config.(type) {
	case *jwt.JwtAuthentication:
		return perRoute || !fl.GetDisabled() && (len(c.GetRules()) > 0 || c.GetFilterStateRules() != nil)
	case *rbac.RBAC:
		return perRoute || !fl.GetDisabled() && (c.GetRules() != nil || c.GetMatcher() != nil)
	case *ratelimit.LocalRateLimit:
		return perRoute || !fl.GetDisabled() && c.GetFilterEnabled() != nil && c.GetFilterEnforced() != nil
	case *csrf.CsrfPolicy:
		return perRoute || !fl.GetDisabled() && sometimes(c.GetFilterEnabled())
	case *authz.ExtAuthz:
		return !c.GetShadowMode() && (perRoute || !fl.GetDisabled())
	}
	return perRoute || !fl.GetDisabled()
}

// sometimes reports whether a share of requests may be above nothing.
func sometimes(p *core.RuntimeFractionalPercent) bool {
	return p.GetDefaultValue().GetNumerator() > 0 || p.GetRuntimeKey() != ""
}

// filterBefore reports what stands before corsgate's first filter.
func filterBefore(f *facts, report report) {
	for _, m := range f.guarded() {
		first := m.filters[m.first()]
		for _, fl := range m.filters[:m.first()] {
			if fl.role != "" {
				continue
			}
			m.judgeBefore(fl, first, report)
		}
	}
}

func (m *manager) judgeBefore(fl, first *filter, report report) {
	write := fmt.Sprintf("move it behind corsgate's filters, or these before it: %s goes first in http_filters", first.GetName())
	r, refuses := refusing[fl.kind]
	switch {
	case fl.isRouter(): // router-not-last says it
	case refuses && !m.acts(fl):
	case refuses:
		if c, ok := fl.config.(*jwt.JwtAuthentication); ok && c.GetBypassCorsPreflight() {
			r = refusal{policy.Warning, "its 401 has no CORS headers, so that pages see a network error"}
		}
		report(r.level, fl.place, fmt.Sprintf("%s stands before %s", fl.GetName(), first.GetName()), r.seen, write)
	case !slices.Contains(harmless, fl.kind):
		report(policy.Note, fl.place, fmt.Sprintf("%s, whose type corsgate does not know, stands before %s", fl.GetName(), first.GetName()),
			"if it answers a request itself, "+answersBare, write)
	}
}

// filterBetween reports what stands between the filter that decides and the one that
// edits: Envoy runs responses backwards through the filters, so what it writes comes after
// the edit.
func filterBetween(f *facts, report report) {
	for _, m := range f.guarded() {
		decide := slices.IndexFunc(m.filters, func(fl *filter) bool { return fl.role == roleDecide })
		apply := slices.IndexFunc(m.filters, func(fl *filter) bool { return fl.role == roleApply })
		if decide < 0 || apply < decide {
			continue
		}
		for _, fl := range m.filters[decide+1 : apply] {
			if fl.role == "" {
				report(policy.Warning, fl.place, fmt.Sprintf("%s stands between %s and %s", fl.GetName(), m.filters[decide].GetName(), m.filters[apply].GetName()),
					"it sees the response after corsgate's headers are set: what it writes into it stays, and what it looks at is edited already",
					fmt.Sprintf("move it behind %s, which must stand directly after the filter that decides", m.filters[apply].GetName()))
			}
		}
	}
}

// wrongOrder reports corsgate's own filters in another order than they are printed in.
func wrongOrder(f *facts, report report) {
	order := []role{roleDefault, roleDecide, roleApply} // corsgate.static may stand anywhere
	for _, m := range f.guarded() {
		var last *filter
		for _, fl := range m.with(order...) {
			if last != nil && slices.Index(order, fl.role) < slices.Index(order, last.role) {
				report(policy.Error, fl.place, fmt.Sprintf("%s stands behind %s", fl.GetName(), last.GetName()),
					"the response is edited by a decision that has not been taken yet: pages get no CORS headers, or the upstream's own",
					"keep the order in which \"corsgate envoy-config\" prints them: default, decide, apply")
			}
			last = fl
		}
	}
}

func askedTwice(f *facts, report report) {
	for _, m := range f.guarded() {
		for _, fl := range m.decides()[1:] {
			report(policy.Warning, fl.place, fmt.Sprintf("%s decides, and so does %s before it", fl.GetName(), m.decides()[0].GetName()),
				"each request is decided twice, which takes longer, and the two may not agree", "remove one of them")
		}
	}
}

// routerMissing is for configuration that no Envoy has accepted yet.
func routerMissing(f *facts, report report) {
	for _, m := range f.managers {
		if f.written && !slices.ContainsFunc(m.filters, (*filter).isRouter) {
			report(policy.Error, m.place, "http_filters has no router", "Envoy refuses the configuration",
				"- {name: envoy.filters.http.router, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}} at the end of http_filters")
		}
	}
}

// isRouter reports whether a filter is the router, behind which no filter may stand.
func (f *filter) isRouter() bool { return f.kind == "router.v3.Router" }

// routerNotLast is for configuration that no Envoy has accepted yet.
func routerNotLast(f *facts, report report) {
	for _, m := range f.managers {
		for i, fl := range m.filters[:max(len(m.filters)-1, 0)] {
			if f.written && fl.isRouter() {
				report(policy.Error, fl.place, fmt.Sprintf("the router stands before %s", m.filters[i+1].GetName()), "Envoy refuses the configuration", "move it to the end of http_filters")
			}
		}
	}
}
