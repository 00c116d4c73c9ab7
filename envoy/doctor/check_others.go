package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	mutation "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	buffer "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/buffer/v3"
	cors "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	csrf "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/csrf/v3"
	authz "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	headers "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	lua "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	early "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
)

// overridden says what becomes of CORS headers that others write within corsgate's
// filters: the router's headers and the filters behind run first, and corsgate's edit what
// they have written.
const overridden = "where a policy decides, it is removed from answers again; but it stays in refused preflights that corsgate is asked about, and where no policy decides, or one defers"

// nativeCORS reports routes on which Envoy's own cors filter has a policy, too. Without
// one, that filter does nothing.
func nativeCORS(f *facts, report report) {
	for _, m := range f.guarded() {
		native := slices.IndexFunc(m.filters, func(fl *filter) bool { return fl.kind == "cors.v3.Cors" })
		if native < 0 {
			continue
		}
		fl := m.filters[native]
		level, seen := policy.Warning, "two filters know the route's origins: corsgate's answers win, but where it forwards or does not answer, the other one grants what it lists, without Vary"
		if native < m.first() || m.keepsOthers() {
			level, seen = policy.Error, "the native filter answers preflights by its own list, and its headers stay in answers that corsgate denies"
		}
		for _, s := range m.spots {
			if s.runs(fl) && s.saysNative(fl.GetName()) {
				report(level, s.place, "Envoy's own cors filter has a policy here", seen,
					"take it away ("+fl.GetName()+" in typed_per_filter_config, or the field cors), and write its origins into corsgate's policy")
			}
		}
	}
}

// saysNative reports whether the most specific place itself has a policy of the native
// filter that does something.
func (s spot) saysNative(name string) bool {
	legacy := s.host.GetCors() //nolint:staticcheck // what is deprecated still acts
	if s.route != nil {
		legacy = s.route.GetRoute().GetCors() //nolint:staticcheck // what is deprecated still acts
	}
	if legacy != nil && !s.part {
		return true
	}
	p, ok := s.says[0].of(name).(*cors.CorsPolicy)
	return ok && (p.GetFilterEnabled() == nil || sometimes(p.GetFilterEnabled()))
}

// keepsOthers reports whether the CORS headers that others write may stay in an answer:
// so it is if only ext_authz asks, which removes none.
func (m *manager) keepsOthers() bool {
	return len(m.with(roleApply, roleCompiled)) == 0 && slices.ContainsFunc(m.decides(), func(fl *filter) bool {
		return slices.ContainsFunc(fl.asks, func(a *ask) bool { return a.authz != nil })
	})
}

// corsHeaderAdded reports CORS headers that something else writes.
func corsHeaderAdded(f *facts, report report) {
	for _, m := range f.guarded() {
		m.routesAdding(report)
		m.filtersAdding(report)
		for _, mapper := range m.GetLocalReplyConfig().GetMappers() {
			if names := corsOptions(mapper.GetHeadersToAdd()); names != "" {
				m.added(m.place, "local_reply_config adds "+names, report)
			}
		}
	}
}

// added reports a header that is written before corsgate's filters edit the answer.
func (m *manager) added(p Place, what string, report report) {
	level, seen := policy.Warning, overridden
	if m.keepsOthers() {
		level, seen = policy.Error, "it stays beside or instead of what corsgate decides: browsers refuse two values, and denied origins may be granted"
	}
	report(level, p, what, seen, "take it away: corsgate's policy says which CORS headers an answer has")
}

func (m *manager) routesAdding(report report) {
	for _, rc := range m.routes {
		where := m.place
		where.RouteConfig = rc.GetName()
		m.addedBy(where, rc.GetResponseHeadersToAdd(), report)
	}
	for _, s := range m.spots {
		if s.route == nil {
			m.addedBy(s.place, s.host.GetResponseHeadersToAdd(), report)
		}
		if s.route == nil || s.part {
			continue
		}
		m.addedBy(s.place, s.route.GetResponseHeadersToAdd(), report)
		for _, w := range s.route.GetRoute().GetWeightedClusters().GetClusters() {
			p := s.place
			p.Cluster = w.GetName()
			m.addedBy(p, w.GetResponseHeadersToAdd(), report)
		}
	}
}

func (m *manager) addedBy(p Place, options []*core.HeaderValueOption, report report) {
	if names := corsOptions(options); names != "" {
		m.added(p, "response_headers_to_add has "+names, report)
	}
}

// corsOptions names the CORS headers among those that are added.
func corsOptions(options []*core.HeaderValueOption) string {
	var list []string
	for _, o := range options {
		if isCORS(o.GetHeader().GetKey()) {
			list = append(list, strings.ToLower(o.GetHeader().GetKey()))
		}
	}
	return strings.Join(list, ", ")
}

// isCORS reports whether a response header is corsgate's to write.
func isCORS(name string) bool { return policy.IsCORSHeader(strings.ToLower(name)) }

// filtersAdding looks at filters that write headers. One that stands before corsgate's
// sees the response last, so what it writes stays.
func (m *manager) filtersAdding(report report) {
	for i, fl := range m.filters {
		if fl.role != "" {
			continue
		}
		configs := []proto.Message{fl.config}
		for _, s := range m.spots {
			configs = append(configs, s.says[0].of(fl.GetName()))
		}
		for _, c := range configs {
			if what := writesCORS(c, i < m.last()); what != "" {
				m.filterAdds(fl, i < m.last(), what, report)
				break
			}
		}
	}
}

// last returns the index of the last filter that edits responses.
func (m *manager) last() int {
	edits := m.first()
	for i, fl := range m.filters {
		if fl.role == roleApply || fl.role == roleCompiled {
			edits = i
		}
	}
	return edits
}

func (m *manager) filterAdds(fl *filter, outside bool, what string, report report) {
	if !outside {
		m.added(fl.place, what, report)
		return
	}
	level := policy.Error
	if fl.kind == "lua.v3.Lua" {
		level = policy.Warning // it is a text that says so
	}
	report(level, fl.place, what+", and stands before corsgate's filters", "it sees the response after them: what it changes stays so, also in answers that corsgate denies",
		"take it away, or move it behind corsgate's filters")
}

// writesCORS says which CORS headers a filter changes in responses, or "". What takes Vary
// away matters as much, but only outside of corsgate's filters.
func writesCORS(m proto.Message, outside bool) string {
	var list []*mutation.HeaderMutation
	switch c := m.(type) {
	case *headers.HeaderMutation:
		list = c.GetMutations().GetResponseMutations()
	case *headers.HeaderMutationPerRoute:
		list = c.GetMutations().GetResponseMutations()
	case *lua.Lua:
		if strings.Contains(strings.ToLower(codeOf(c)), corsPrefix+"allow-") {
			return "its code names headers " + corsPrefix + "allow-…"
		}
	}
	var names []string
	for _, one := range list {
		written, removed := strings.ToLower(one.GetAppend().GetHeader().GetKey()), strings.ToLower(one.GetRemove())
		switch {
		case isCORS(written), outside && written == "vary" && one.GetAppend().GetAppendAction() == core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD:
			names = append(names, written)
		case outside && (isCORS(removed) || removed == "vary"):
			names = append(names, removed)
		}
	}
	if names == nil {
		return ""
	}
	return "it changes " + strings.Join(names, ", ")
}

// originChanged reports what takes from a request what a decision looks at, before
// corsgate sees it.
func originChanged(f *facts, report report) {
	for _, m := range f.guarded() {
		for _, e := range m.GetEarlyHeaderMutationExtensions() {
			if c, ok := unpack(e.GetTypedConfig()).(*early.HeaderMutation); ok {
				changesOrigin(m.place, c.GetMutations(), report)
			}
		}
		for _, fl := range m.filters[:m.first()] {
			switch c := fl.config.(type) {
			case *headers.HeaderMutation:
				changesOrigin(fl.place, c.GetMutations().GetRequestMutations(), report)
			case *lua.Lua:
				codeChangesOrigin(fl.place, codeOf(c), report)
			}
		}
	}
}

// decidedOtherwise is what a request gets that somebody changes before corsgate sees it.
const decidedOtherwise = "corsgate decides about another request than the page has sent: preflights and answers are wrong for every page"

// luaChange finds code that changes what a decision looks at.
var luaChange = regexp.MustCompile(`(?i):(?:remove|replace|add)\(\s*["'](origin|access-control-request-[a-z-]+)["']`)

// codeOf returns the code that a Lua filter runs unless a route says otherwise.
func codeOf(c *lua.Lua) string {
	return c.GetDefaultSourceCode().GetInlineString() + c.GetInlineCode() //nolint:staticcheck // what is deprecated still acts
}

func codeChangesOrigin(p Place, code string, report report) {
	if changed := luaChange.FindStringSubmatch(code); changed != nil {
		report(policy.Warning, p, "its code changes the header "+strings.ToLower(changed[1])+", and stands before corsgate's filters", decidedOtherwise, "take that line away, or move the filter behind corsgate's")
	}
}

func changesOrigin(p Place, list []*mutation.HeaderMutation, report report) {
	for _, m := range list {
		for _, name := range []string{m.GetRemove(), m.GetAppend().GetHeader().GetKey(), m.GetRemoveOnMatch().GetKeyMatcher().GetExact()} {
			name = strings.ToLower(name)
			if name == "origin" || strings.HasPrefix(name, "access-control-request-") {
				report(policy.Error, p, fmt.Sprintf("it changes the request header %s before corsgate sees it", name),
					decidedOtherwise, "take that mutation away")
			}
		}
	}
}

// csrfBehind reports Envoy's csrf filter behind corsgate's: it knows nothing of policies.
func csrfBehind(f *facts, report report) {
	for _, m := range f.guarded() {
		for _, fl := range m.filters[m.first():] {
			if _, ok := fl.config.(*csrf.CsrfPolicy); ok && m.acts(fl) {
				report(policy.Warning, fl.place, "the csrf filter refuses requests of other origins that change something, also of those that a policy allows",
					"the preflight passes, and the request itself gets 403", "list the policies' origins in its additional_origins, or use deniedRequests: block-unsafe of the policy instead of this filter")
			}
		}
	}
}

// The defaults of what Envoy keeps of a request while it does not read on.
const (
	defaultBuffer = 1 << 20
	defaultWindow = 16 << 20
)

// bodyLimit reports filters behind one that waits for an answer, whose limit for bodies
// does not hold then: Envoy counts against it only what comes later.
func bodyLimit(f *facts, report report) {
	for _, m := range f.guarded() {
		if !slices.ContainsFunc(m.decides(), func(fl *filter) bool { return len(fl.asks) > 0 }) {
			continue
		}
		need := 4 * m.keeps()
		for _, fl := range m.filters[m.first():] {
			what, limit := waitsForBody(fl)
			if what == "" || fl.role != "" || limit >= need || !m.acts(fl) {
				continue
			}
			report(policy.Warning, fl.place, fmt.Sprintf("%s behind a filter that asks, with less than four times what Envoy keeps of a request meanwhile (%d bytes)", what, need/4),
				"a body above the limit passes, or the request hangs until stream_idle_timeout",
				"per_connection_buffer_limit_bytes of the listener and initial_stream_window_size of http2_protocol_options, each at most a quarter of the limit; before Lua, put a buffer like that")
		}
	}
}

// keeps returns how many bytes of a request Envoy takes while nobody reads them.
func (m *manager) keeps() uint64 {
	connection, window := uint64(defaultBuffer), uint64(defaultWindow)
	if v := m.listener.GetPerConnectionBufferLimitBytes(); v != nil {
		connection = uint64(v.GetValue())
	}
	if v := m.GetHttp2ProtocolOptions().GetInitialStreamWindowSize(); v != nil {
		window = uint64(v.GetValue())
	}
	return max(connection, window)
}

// waitsForBody says what in a filter waits for a request's whole body, and its limit.
func waitsForBody(fl *filter) (what string, limit uint64) {
	switch c := fl.config.(type) {
	case *buffer.Buffer:
		return "it buffers bodies", uint64(c.GetMaxRequestBytes().GetValue())
	case *authz.ExtAuthz:
		if b := c.GetWithRequestBody(); b != nil {
			return "it sends bodies (with_request_body)", uint64(b.GetMaxRequestBytes())
		}
	case *lua.Lua:
		if strings.Contains(codeOf(c), ":body(") {
			return "its code waits for bodies", 0
		}
	}
	return "", 0
}

// pathNotNormalised reports routes that are chosen by another path than policies are. It
// does not matter if no policy has paths.
func pathNotNormalised(f *facts, report report) {
	if f.policies != nil && !slices.ContainsFunc(f.policies.Specs(), func(s policy.Spec) bool { return len(s.Paths) > 0 }) {
		return
	}
	for _, m := range f.guarded() {
		if on := m.GetNormalizePath(); !on.GetValue() && (on != nil || !f.normalizes) {
			report(policy.Warning, m.place, "normalize_path is not on",
				"corsgate decides about the path with dot segments resolved, and Envoy routes by the path as it was sent: a page chooses the spelling, and may reach a route that another policy is for",
				"normalize_path: true beside http_filters")
		}
	}
}

// pathsRefused notes connection managers that answer requests by themselves because of their
// paths. They do so before any filter.
func pathsRefused(f *facts, report report) {
	answers := map[hcm.HttpConnectionManager_PathWithEscapedSlashesAction]string{
		hcm.HttpConnectionManager_REJECT_REQUEST: "400", hcm.HttpConnectionManager_UNESCAPE_AND_REDIRECT: "a redirect",
	}
	for _, m := range f.guarded() {
		action := m.GetPathWithEscapedSlashesAction()
		if answer := answers[action]; answer != "" {
			report(policy.Note, m.place, "path_with_escaped_slashes_action is "+action.String(),
				"preflights and requests for a path with %2F or %5C get "+answer+" without CORS headers, before any filter: browsers block",
				"if pages call such paths, UNESCAPE_AND_FORWARD or KEEP_UNCHANGED: corsgate decides about both readings of them")
		}
	}
}
