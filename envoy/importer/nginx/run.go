package nginx

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy/prove"
)

// scope is a block whose directives hold for a request.
type scope struct {
	list   []*directive
	parent *scope
	isIf   bool
}

// nearest returns the directives of these names in the innermost scope that has any of them: they
// are inherited whole or not at all (ngx_conf_merge_ptr_value).
func (s *scope) nearest(names ...string) (found []*directive) {
	for ; s != nil && found == nil; s = s.parent {
		found = all(s.list, names...)
	}
	return found
}

// maxJumps is how often nginx lets a request go to another location (NGX_HTTP_MAX_URI_CHANGES).
const maxJumps = 10

// run does what nginx does with a request whose path is one of a location.
func (m *machine) run(server, l *location) {
	m.vars, m.captures = map[string]value{}, map[string]value{}
	m.server = server
	m.process(l.uri(), l)
	if m.stopped == nil && !m.failed && slices.Contains(m.scope.errorPages(), m.fails) {
		m.status, _ = strconv.Atoi(m.fails.arg(0))
		m.errorPage()
	}
}

// process does the phases of a server, and then those of a location: of l, or of the one that
// the path leads to if l is nil (ngx_http_internal_redirect).
func (m *machine) process(u uri, l *location) {
	m.uri, m.moved, m.scope = u, false, m.server.scope
	m.exec(m.server.scope)
	switch {
	case m.stopped != nil:
		m.errorPage()
	case m.moved || l == nil:
		m.enter(m.lookUpLocation())
	default:
		m.enter(l)
	}
}

// lookUpLocation returns the location that m.uri leads to.
func (m *machine) lookUpLocation() *location {
	options := m.server.leadsTo(m.uri)
	if len(options) == 0 {
		return m.server
	}
	last := len(options) - 1
	for _, l := range options[:last] {
		if m.conf.spend() {
			break
		}
		if m.choose(condition{Text: source.Text{Place: m.cause.Place, Text: m.uri.String() + " leads to location " + l.path}, field: m.cause.name}) {
			return l
		}
	}
	return options[last]
}

// enter does the phases of a location.
func (m *machine) enter(l *location) {
	if m.jumps++; m.jumps > maxJumps {
		m.stopped, m.cause, m.status = l.directive, l.directive, 500
		return
	}
	if l.isRegex() {
		clear(m.captures) // of which the regex may set any
	}
	m.scope, m.moved = l.scope, false
	if except := m.except(l); except != nil {
		m.scope = except
	} else {
		m.exec(l.scope)
	}
	switch {
	case m.stopped != nil:
		m.errorPage()
	case m.moved:
		m.enter(m.lookUpLocation())
	case m.refuses():
	default:
		m.serve(l)
	}
}

// exec does the directives of the rewrite module (ngx_http_rewrite_handler), and reports
// whether one of them ended it.
func (m *machine) exec(s *scope) (end bool) {
	for _, d := range s.list {
		if m.conf.spend() {
			return true
		}
		switch d.name {
		case "set":
			m.vars[strings.ToLower(strings.TrimPrefix(d.arg(0), "$"))] = m.eval(split(d.arg(1)).from(d.Place))
		case "if":
			if !m.holds(d) {
				continue
			}
			// The last if that holds is where the request's other directives are looked for.
			inner := &scope{list: d.block, parent: s, isIf: true}
			m.scope = inner
			if m.exec(inner) {
				return true
			}
		case "break":
			m.moved = m.moved && s.root() == m.server.scope // a server's path is looked up all the same
			return true
		case "return":
			m.stops(d)
			return true
		case "rewrite":
			if m.rewrites(d) {
				return true
			}
		}
	}
	return false
}

// root is the block of the location or server that an if is in.
func (s *scope) root() *scope {
	for s.isIf {
		s = s.parent
	}
	return s
}

// stops answers a request by a return.
func (m *machine) stops(d *directive) {
	m.stopped, m.cause, m.status = d, d, 200
	if code, err := strconv.Atoi(d.arg(0)); err == nil {
		m.status = code
	} else if len(d.args) == 1 { // only a URL
		m.status = 302
	}
}

// rewrites reports whether a rewrite ended the phase.
func (m *machine) rewrites(d *directive) bool {
	if !m.matchesPath(prove.Regex{Expr: d.arg(0), Mode: prove.Search}, source.Text{Place: d.Place, Text: d.arg(0)}, d.name) {
		return false
	}
	flag := d.arg(2)
	switch {
	case flag == "permanent":
		m.stopped, m.cause, m.status = d, d, 301
	case flag == "redirect" || isURL(d.arg(1)):
		m.stopped, m.cause, m.status = d, d, 302
	default:
		m.uri, m.cause = m.uriOf(d.arg(1)), d
		m.moved = flag != "break" || m.scope.root() == m.server.scope
		return flag != ""
	}
	return true
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "$scheme")
}

// matchesPath compares the path with a regex, and sets the variables of its groups.
func (m *machine) matchesPath(r prove.Regex, text source.Text, field string) bool {
	if m.uri.whole {
		return m.matches(literal(m.uri.begin), r, text)
	}
	is := m.uri.matches(m.conf.pathRegex(r))
	if is == maybe {
		path := "the path"
		if m.jumps > 0 || m.moved {
			path += " " + m.uri.String()
		}
		text.Text = path + " matches " + r.Expr
		if m.choose(condition{Text: text, field: field}) {
			is = surely
		}
	}
	if is == surely {
		clear(m.captures)
	}
	return is == surely
}

// pathVariables are those that hold the path of a request, and queryVariables what may stand
// behind it.
var (
	pathVariables  = []string{"uri", "document_uri"}
	queryVariables = []string{"is_args", "args", "query_string"}
)

// uriOf reads where a rewrite or an internal redirect goes.
func (m *machine) uriOf(text string) uri {
	text, _, _ = strings.Cut(text, "?")
	v := m.eval(split(text))
	for len(v) > 0 && slices.Contains(queryVariables, v[len(v)-1].name) {
		v = v[:len(v)-1]
	}
	if path, isText := v.isLiteral(); isText {
		path, _, _ = strings.Cut(path, "?")
		return uri{begin: path, whole: true}
	}
	first, last := v[0], v[len(v)-1]
	u := uri{begin: first.text, end: last.text}
	if slices.Contains(pathVariables, first.name) {
		u.begin = m.uri.begin
		switch {
		case len(v) == 1:
			return m.uri
		case len(v) == 2 && m.uri.end == "":
			u.from = m.uri.from
		}
	}
	return u
}

// errorPage follows a status to where an error_page leads: "error_page 418 = @cors" answers
// preflights in one place.
func (m *machine) errorPage() {
	for _, d := range m.scope.errorPages() {
		if d.isFor(m.status) && !m.failed && m.conf.isInternal(d.arg(len(d.args)-1)) {
			m.followPage(d)
			return
		}
	}
}

func (s *scope) errorPages() []*directive {
	return s.nearest("error_page")
}

// isFor reports whether an error_page is about a status.
func (d *directive) isFor(status int) bool {
	return len(d.args) > 1 && slices.Contains(d.args[:len(d.args)-1], strconv.Itoa(status))
}

// isInternal reports whether an error_page leads to a location, and not to another site.
func (c *config) isInternal(target string) bool {
	return strings.HasPrefix(target, "/") || c.named[target] != nil || slices.ContainsFunc(pathVariables, func(name string) bool { return strings.HasPrefix(target, "$"+name) })
}

func (m *machine) followPage(d *directive) {
	last := len(d.args) - 1
	status := m.status
	m.ended = cmp.Or(m.ended, m.stopped)
	m.stopped, m.cause, m.status, m.failed = nil, d, 0, true
	if m.conf.named[d.arg(last)] == nil && m.method != "HEAD" {
		m.method = "GET" // ngx_http_send_error_page
	}
	m.redirect(d.arg(last))
	switch as := d.arg(last - 1); {
	case !strings.HasPrefix(as, "="):
		m.status = status
	case len(as) > 1:
		m.status, _ = strconv.Atoi(as[1:])
	}
}
