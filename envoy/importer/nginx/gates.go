package nginx

import (
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

// gates are those that a request comes to. Those that depend on it may let it pass.
func (m *machine) gates() (found []gate) {
	rules := m.scope.nearest(func(list []*directive) []*directive {
		return slices.DeleteFunc(slices.Clone(list), func(d *directive) bool { return d.name != "allow" && d.name != "deny" })
	})
	if g, refuses := addressGate(rules); refuses {
		found = append(found, g)
	}
	for _, name := range logins {
		d := m.scope.switchedOn(name)
		if d != nil && (name != "auth_basic" || m.scope.switchedOn("auth_basic_user_file") != nil) { // nginx ignores it without
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
	found := s.nearest(func(list []*directive) []*directive { return all(list, name) })
	if found == nil || found[0].arg(0) == "off" {
		return nil
	}
	return found[0]
}

// addressGate is what the first rule that has an address does with it (ngx_http_access_handler).
func addressGate(rules []*directive) (g gate, refuses bool) {
	allows := false
	for _, d := range rules {
		isAll := d.arg(0) == "all"
		switch {
		case d.name == "allow" && isAll:
			return g, refuses
		case d.name == "allow":
			allows = true
		default:
			if !refuses {
				g, refuses = gate{directive: d, status: 403, surely: isAll && !allows}, true
			}
			if isAll {
				return g, true
			}
		}
	}
	return g, refuses
}

// refuses does the phase in which gates refuse requests, and reports whether one does.
func (m *machine) refuses() bool {
	gates := m.gates()
	open := slices.DeleteFunc(slices.Clone(gates), func(g gate) bool { return g.surely })
	satisfy := m.scope.nearest(func(list []*directive) []*directive { return all(list, "satisfy") })
	isAny := satisfy != nil && satisfy[0].arg(0) == "any"
	switch {
	case len(gates) == 0:
		return false
	case len(open) == 0, !isAny && len(open) < len(gates):
		i := slices.IndexFunc(gates, func(g gate) bool { return g.surely })
		m.isRefused(gates[i])
		return true
	case isAny:
		open = open[len(open)-1:] // the others refuse, too, then
	}
	for _, g := range open {
		if m.mayRefuse(g) {
			m.isRefused(g)
			return true
		}
	}
	return false
}

// mayRefuse asks whether a gate refuses the request. What an auth_request says of preflights is
// told where they succeed.
func (m *machine) mayRefuse(g gate) bool {
	if g.name == "auth_request" && m.preflight {
		return false
	}
	return m.choose(condition{Text: source.Text{Place: g.Place, Text: strings.Join(g.args, " ") + " refuses the request"}, field: g.name, lack: g.lack})
}

func (m *machine) isRefused(g gate) {
	m.stopped, m.cause, m.status = g.directive, g.directive, g.status
	m.errorPage()
}

// except returns the limit_except of a location that the method falls under. Nothing of the
// location's rewrite phase is done then.
func (l *location) except(method string) *scope {
	for _, d := range all(l.scope.list, "limit_except") {
		listed := slices.ContainsFunc(d.args, func(m string) bool {
			return strings.EqualFold(m, method) || strings.EqualFold(m, "GET") && method == "HEAD"
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
