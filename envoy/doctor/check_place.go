package doctor

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	csrf "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/csrf/v3"
	authz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	jwt "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	ratelimit "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	rbac "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

func unreadParts(f *facts, report report) {
	for _, u := range f.unread {
		report(policy.Note, u.Place, u.What, u.Seen, u.Write)
	}
}

func tooOld(f *facts, report report) {
	if f.version.known() && f.version.major <= 1 && f.version.minor < envoy.OldestMinor {
		report(policy.Error, Place{}, fmt.Sprintf("this Envoy is %s, and corsgate supports 1.%d and newer", f.version, envoy.OldestMinor),
			"Envoy refuses the filters, or runs them otherwise than they were tested", fmt.Sprintf("update Envoy to 1.%d or newer", envoy.OldestMinor+1))
	}
}

const pasteFilters = "put the filters that \"corsgate envoy-config --only filters\" prints first into its http_filters"

func filtersMissing(f *facts, report report) {
	level, what, write := policy.Error, "none of its HTTP filters decides about CORS by corsgate", pasteFilters
	if len(f.managers) == 0 {
		what = "it has no listener with an http_connection_manager"
	}
	for _, m := range f.managers {
		if len(m.decides()) > 0 {
			return
		}
		if slices.ContainsFunc(m.filters, func(fl *filter) bool {
			return fl.kind == "ext_authz.v3.ExtAuthz" || fl.kind == "ext_proc.v3.ExternalProcessor"
		}) {
			level, what = policy.Warning, "none of its HTTP filters has \"corsgate\" in a name"
			write = "if one of them asks corsgate, name its cluster with --service-cluster; otherwise " + pasteFilters
		}
	}
	report(level, Place{}, what, "preflights reach the upstream, and its own CORS headers reach the page, or none do", write)
}

// chainUnguarded reports requests that take another way to the same application: it is
// certain if the listener is the same one, or if the routes lead to the same cluster.
func chainUnguarded(f *facts, report report) {
	guarded := map[*listener.Listener]bool{}
	reached := map[string]bool{}
	for _, m := range f.guarded() {
		guarded[m.listener] = true
		for _, name := range m.targets() {
			reached[name] = true
		}
	}
	if len(guarded) == 0 {
		return // filters-missing says it
	}
	for _, m := range f.managers {
		targets := m.targets()
		shared := slices.IndexFunc(targets, func(name string) bool { return reached[name] })
		switch {
		case len(m.decides()) > 0:
		case shared >= 0:
			report(policy.Error, m.place, fmt.Sprintf("it leads to the cluster %s, as another listener or filter chain does, but corsgate's filters are only there", targets[shared]),
				"whoever comes this way gets the upstream's own CORS headers, or none, and preflights reach the upstream", pasteFilters)
		case guarded[m.listener]:
			report(policy.Warning, m.place, "another filter chain of this listener has corsgate's filters, and this one has none",
				"requests of this filter chain get the upstream's own CORS headers, or none", pasteFilters)
		case m.servesPages(f):
			report(policy.Note, m.place, "it has no filter of corsgate's, as another listener has",
				"if pages of other origins call what is behind it, they get the upstream's own CORS headers, or none", pasteFilters)
		}
	}
}

// ownClusters are those that control planes serve Envoy's own pages by.
var ownClusters = []string{"agent", "prometheus_stats"}

// servesPages reports whether browsers may come by a connection manager: it leads to an
// application, and is not how a sidecar's application itself calls others.
func (m *manager) servesPages(f *facts) bool {
	inbound := func(l *listener.Listener) bool { return l.GetTrafficDirection() == core.TrafficDirection_INBOUND }
	if slices.ContainsFunc(f.listeners, inbound) && !inbound(m.listener) {
		return false
	}
	return slices.ContainsFunc(m.targets(), func(name string) bool { return !slices.Contains(ownClusters, name) })
}

// targets returns the clusters that the routes lead to.
func (m *manager) targets() (list []string) {
	for _, s := range m.routeSpots() {
		action := s.route.GetRoute()
		if name := action.GetCluster(); name != "" {
			list = append(list, name)
		}
		for _, w := range action.GetWeightedClusters().GetClusters() {
			list = append(list, w.GetName())
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// waits reports whether a filter is off until a virtual host or route enables it.
func (f *filter) waits() bool { return f.GetDisabled() }

func neverEnabled(f *facts, report report) {
	for _, m := range f.guarded() {
		if !m.known {
			continue
		}
		for _, fl := range m.with(roleCompiled, roleDecide, roleApply, roleStatic, roleDefault) {
			if !fl.waits() || m.anywhere(fl) {
				continue
			}
			level, seen := policy.Error, "no request is decided: preflights reach the upstream, and pages get its own CORS headers, or none"
			if fl.role == roleStatic {
				level, seen = policy.Warning, "answers to requests without an Origin keep the upstream's CORS headers and lack Vary: a cache may hand them to another page"
			}
			report(level, fl.place, "it is disabled, and no virtual host and no route enables it", seen,
				"typed_per_filter_config: {"+fl.GetName()+": {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}} on each virtual host")
		}
	}
}

// switchedOff reports virtual hosts and routes on which no filter of corsgate's decides.
func switchedOff(f *facts, report report) {
	for _, m := range f.guarded() {
		fl := m.decides()[0]
		if fl.waits() && !m.anywhere(fl) {
			continue // never-enabled says it
		}
		for _, s := range m.undecided(fl) {
			what := fl.GetName() + " is switched off here"
			if fl.waits() && s.config(fl.GetName()) == nil {
				what = fl.GetName() + " is disabled, and not enabled here, as it is elsewhere"
			}
			report(policy.Warning, s.place, what,
				"preflights of these requests reach the upstream, and pages get its own CORS headers, or none",
				"if that is not meant, take its typed_per_filter_config away, or enable it there: {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}")
		}
	}
}

// undecided returns the virtual hosts on none of whose routes a filter runs, and the other
// routes on which it does not.
func (m *manager) undecided(fl *filter) (list []spot) {
	off := map[*route.VirtualHost]int{}
	for _, s := range m.routeSpots() {
		if !s.runs(fl) {
			off[s.host]++
		}
	}
	whole := map[*route.VirtualHost]bool{}
	for _, s := range m.spots {
		switch {
		case s.runs(fl) || off[s.host] == 0 && !s.part:
		case s.route == nil && off[s.host] == len(s.host.GetRoutes()):
			whole[s.host] = true
			list = append(list, s)
		case s.route != nil && !whole[s.host] && !m.decidedBefore(fl, s):
			list = append(list, s)
		}
	}
	return list
}

// anywhere reports whether a filter runs for any route.
func (m *manager) anywhere(fl *filter) bool {
	return slices.ContainsFunc(m.spots, func(s spot) bool { return s.runs(fl) })
}

// decidedBefore reports whether a route of the same host that stands earlier, and is for
// requests with an Origin, takes them first: so "corsgate envoy-config --match-by route"
// has each route twice.
func (m *manager) decidedBefore(fl *filter, s spot) bool {
	for _, other := range m.spots {
		switch {
		case other.host != s.host, other.route == nil, other.part:
		case other.route == s.route:
			return false
		case wantsOrigin(other.route) && samePath(other.route, s.route) && other.runs(fl):
			return true
		}
	}
	return false
}

func wantsOrigin(r *route.Route) bool {
	return slices.ContainsFunc(r.GetMatch().GetHeaders(), func(h *route.HeaderMatcher) bool {
		return strings.EqualFold(h.GetName(), "origin") && !h.GetInvertMatch()
	})
}

func samePath(a, b *route.Route) bool {
	x, y := a.GetMatch(), b.GetMatch()
	return x.GetPrefix() == y.GetPrefix() && x.GetPath() == y.GetPath() && x.GetPathSeparatedPrefix() == y.GetPathSeparatedPrefix() &&
		x.GetSafeRegex().GetRegex() == y.GetSafeRegex().GetRegex()
}

// halfSwitchedOff reports places where corsgate is asked, and its answer is not applied.
func halfSwitchedOff(f *facts, report report) {
	for _, m := range f.guarded() {
		decides, partners := m.with(roleDecide), m.with(roleApply, roleDefault)
		if len(decides) == 0 {
			continue
		}
		for _, s := range m.spots {
			for _, partner := range partners {
				s.judgePair(decides[0], partner, report)
			}
		}
	}
}

// judgePair reports a place where only one of two filters runs that belong together.
func (s spot) judgePair(decide, partner *filter, report report) {
	if s.runs(partner) == s.runs(decide) || s.route != nil && s.saysNothing(partner, decide) {
		return
	}
	on, off, seen := decide, partner, "pages get no CORS header of corsgate's, and the upstream's own stay"
	if s.runs(partner) {
		on, off, seen = partner, decide, "corsgate is not asked, and what its other filters do does not fit"
	}
	report(policy.Error, s.place, fmt.Sprintf("%s runs here, and %s does not", on.GetName(), off.GetName()), seen, "enable or disable these filters together")
}

// saysNothing reports whether a place leaves filters as the place above it has them.
func (s spot) saysNothing(filters ...*filter) bool {
	return !slices.ContainsFunc(filters, func(fl *filter) bool { return s.says[0][fl.GetName()] != nil })
}

// hostWithoutPart reports virtual hosts that lack what others have. Without the policies it
// is not known whether a host has one, so it is a note, and none for every other host.
func hostWithoutPart(f *facts, report report) {
	for _, m := range f.guarded() {
		for _, fl := range m.with(roleStatic) {
			m.hostsWithout(f, fl, report)
		}
		for _, a := range m.decides()[0].asks {
			if a.authz != nil && !a.inside && len(m.with(roleApply)) > 0 {
				m.hostsWithoutContext(report)
			}
		}
	}
}

func (m *manager) hostsWithout(f *facts, fl *filter, report report) {
	if !fl.waits() || !m.anywhere(fl) {
		return
	}
	enabled := map[*route.VirtualHost]bool{}
	for _, s := range m.spots {
		enabled[s.host] = enabled[s.host] || s.runs(fl)
	}
	for _, s := range m.spots {
		level, replaces := f.replaces(s.host)
		if s.route == nil && !enabled[s.host] && replaces {
			report(level, s.place, fl.GetName()+" is enabled on other virtual hosts, and not on this one",
				"answers to requests without an Origin keep the upstream's CORS headers and lack Vary: a cache may hand them to another page",
				"typed_per_filter_config: {"+fl.GetName()+": {\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}}, unless its policy is off, in shadow, or defers")
		}
	}
}

// replaces reports whether answers of a virtual host are corsgate's to edit, and how sure
// that is.
func (f *facts) replaces(vh *route.VirtualHost) (level policy.Level, is bool) {
	for _, domain := range vh.GetDomains() {
		if f.policies == nil {
			is = is || !strings.HasPrefix(domain, "*")
			continue
		}
		d := f.policies.Decide(&policy.Request{Method: http.MethodGet, Authority: strings.Replace(domain, "*", label, 1), Path: "/", Origin: stranger})
		is = is || domain != "*" && (d.Answer.Apply == policy.ApplyReplace || d.Answer.Apply == policy.ApplyPublic)
	}
	if f.policies == nil {
		return policy.Note, is
	}
	return policy.Warning, is
}

// hostsWithoutContext reports routes on which corsgate is not told that corsgate.apply
// writes the headers.
func (m *manager) hostsWithoutContext(report report) {
	fl := m.decides()[0]
	for _, s := range m.routeSpots() {
		if s.runs(fl) && !s.headersInMetadata(fl) {
			report(policy.Warning, s.place, "ext_authz sends no context extension \"headers: metadata\"",
				"corsgate hands over the headers where only those that it sets can be written: some of the upstream's stay",
				fl.GetName()+": {\"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute, check_settings: {context_extensions: {headers: metadata}}}")
		}
	}
}

// redacted is what Envoy's config dump has for what may be secret, context extensions among
// it.
const redacted = "[redacted]"

// headersInMetadata reports whether corsgate is told that corsgate.apply writes the headers.
func (s spot) headersInMetadata(fl *filter) bool {
	value := s.context(fl)[contract.Headers]
	return value == contract.HeadersInMetadata || value == redacted
}

// context returns the context extensions that ext_authz sends: those of all places, by key.
func (s spot) context(fl *filter) map[string]string {
	all := map[string]string{}
	for i := len(s.says) - 1; i >= 0; i-- {
		if c, ok := s.says[i].of(fl.GetName()).(*authz.ExtAuthzPerRoute); ok {
			for key, value := range c.GetCheckSettings().GetContextExtensions() {
				all[key] = value
			}
		}
	}
	return all
}

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
