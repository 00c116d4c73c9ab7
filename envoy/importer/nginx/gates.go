package nginx

import (
	"cmp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// gate is a directive that refuses requests before the files or the upstream answer.
type gate struct {
	*directive
	status int
	surely bool // it refuses this request in any case
	// lack is the header that a request is refused for not having, if it is that.
	lack string
}

// logins are directives that refuse requests without credentials.
var logins = []string{"auth_basic", "auth_jwt", "auth_digest", "auth_pam", "auth_ldap"}

// isGate reports whether d refuses requests, but not for their origins.
func (d *directive) isGate() bool {
	return slices.Contains(logins, d.name) || d.name == "deny" || d.name == "auth_request"
}

// gates are those that ask who a request is from. Those that depend on it may let it pass.
func (m *machine) gates() (found []gate) {
	for _, name := range logins {
		d := m.scope.switchedOn(name)
		if d == nil || name == "auth_basic" && m.scope.switchedOn("auth_basic_user_file") == nil { // nginx ignores it without
			continue
		}
		switch realm, isText := m.eval(split(d.arg(0))).isLiteral(); {
		case realm == "off":
		case !isText:
			found = append(found, gate{directive: d, status: 401})
		default:
			// A preflight has no credentials (Fetch, CORS-preflight fetch).
			found = append(found, gate{d, 401, m.preflight, "authorization"})
		}
	}
	if d := m.scope.switchedOn("auth_request"); d != nil {
		found = append(found, gate{directive: d, status: 401})
	}
	return found
}

// switchedOn returns a directive, unless it is off.
func (s *scope) switchedOn(name string) *directive {
	found := s.nearest(name)
	if found == nil || found[0].arg(0) == "off" {
		return nil
	}
	return found[0]
}

// addresses is what the rules for addresses do with requests (ngx_http_access_handler).
type addresses struct {
	// allow and deny are the first rules that let a request pass, or refuse it; nil: no rule does.
	allow, deny *directive
	// any says that a rule is for every address; those after it do nothing.
	any bool
}

func (s *scope) addresses() (a addresses) {
	for _, d := range s.nearest("allow", "deny") {
		if d.name == "allow" {
			a.allow = cmp.Or(a.allow, d)
		} else {
			a.deny = cmp.Or(a.deny, d)
		}
		if d.arg(0) == "all" {
			a.any = true
			break
		}
	}
	return a
}

// allAllowed reports whether the rules let each request pass, and allDenied whether they refuse each.
func (a addresses) allAllowed() bool { return a.any && a.deny == nil }
func (a addresses) allDenied() bool  { return a.any && a.allow == nil }

// refuses does the phase in which gates refuse requests, and reports whether one does
// (ngx_http_core_access_phase).
func (m *machine) refuses() bool {
	gates, from := m.gates(), m.scope.addresses()
	satisfy := m.scope.nearest("satisfy")
	switch {
	case satisfy != nil && satisfy[0].arg(0) == "any" && len(gates) > 0:
		return m.refuseAll(gates, from)
	case from.deny != nil:
		gates = slices.Insert(gates, 0, gate{directive: from.deny, status: 403, surely: from.allDenied()})
	}
	if i := slices.IndexFunc(gates, func(g gate) bool { return g.surely }); i >= 0 {
		m.isRefused(gates[i])
		return true
	}
	i := slices.IndexFunc(gates, m.mayRefuse)
	if i >= 0 {
		m.isRefused(gates[i])
	}
	return i >= 0
}

// refuseAll reports whether each gate refuses the request, and no rule for addresses lets it pass.
func (m *machine) refuseAll(gates []gate, from addresses) bool {
	if from.allAllowed() {
		return false
	}
	by := gates[len(gates)-1]
	if from.allow != nil {
		gates = slices.Insert(gates, 0, gate{directive: from.allow})
	}
	open := slices.DeleteFunc(slices.Clone(gates), func(g gate) bool { return g.surely })
	if len(open) > 0 {
		last := open[len(open)-1] // if it refuses, so do the others
		if len(gates) > 1 {
			last.lack = "" // the others may let the request pass without
		}
		if !m.mayRefuse(last) {
			return false
		}
	}
	m.isRefused(by)
	return true
}

// mayRefuse asks whether a gate refuses the request. What an auth_request says of preflights is
// told where they succeed.
func (m *machine) mayRefuse(g gate) bool {
	if g.name == "auth_request" && m.preflight {
		return false
	}
	does := " refuses the request"
	if g.name == "allow" {
		does = " is not the client's address"
	}
	return m.choose(condition{Text: source.Text{Place: g.Place, Text: strings.Join(g.args, " ") + does}, field: g.name, lack: g.lack})
}

func (m *machine) isRefused(g gate) {
	m.stopped, m.cause, m.status = g.directive, g.directive, g.status
	m.errorPage()
}

// except returns the limit_except of a location that the method falls under. Nothing of the
// location's rewrite phase is done then.
func (m *machine) except(l *location) *scope {
	for _, d := range all(l.scope.list, "limit_except") {
		m.readsMethod = true
		listed := slices.ContainsFunc(d.args, func(method string) bool {
			return strings.EqualFold(method, m.method) || strings.EqualFold(method, "GET") && m.method == "HEAD"
		})
		if !listed {
			return &scope{list: d.block, parent: l.scope, isIf: true}
		}
	}
	return nil
}

// headerOf returns the header of the request that a variable is about, if only a page sets it and
// a preflight has none; else nothing.
func headerOf(variable string) string {
	switch {
	case variable == "http_cookie", strings.HasPrefix(variable, "cookie_"):
		return "cookie"
	case variable == "remote_user":
		return "authorization"
	case variable == "content_type":
		return "content-type"
	case slices.Contains(pageVariables, variable):
		return strings.ReplaceAll(strings.TrimPrefix(variable, "http_"), "_", "-")
	}
	return ""
}

// pageVariables are headers that browsers send only if a page sets them, and no proxy adds.
var pageVariables = []string{
	"http_authorization", "http_content_type", "http_x_api_key", "http_api_key", "http_x_auth_token", "http_x_access_token", "http_x_csrf_token", "http_x_xsrf_token", "http_x_requested_with",
}

// sends reports whether pages that may read the answer can make a browser send a header.
func (a answer) sends(header string) bool {
	asked := a.preflights && (a.headers.Echo || slices.ContainsFunc(a.headers.Items, func(item source.Text) bool {
		return strings.EqualFold(item.Text, header) || item.Text == "*" && header != "authorization"
	}))
	switch {
	case a.verdict == denied:
		return false
	case header == "cookie":
		return a.credentials
	case header == "authorization": // a browser may know a password
		return a.credentials || asked
	case header == "content-type":
		return true
	}
	return asked
}
