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

// nearest returns what the innermost scope has that has any of it: lists of directives
// are inherited whole or not at all (ngx_conf_merge_ptr_value).
func (s *scope) nearest(find func([]*directive) []*directive) []*directive {
	for ; s != nil; s = s.parent {
		if found := find(s.list); found != nil {
			return found
		}
	}
	return nil
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
	m.exec(l.scope)
	switch {
	case m.stopped != nil:
		m.errorPage()
	case m.moved:
		m.enter(m.lookUpLocation())
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

// serve does what is behind the rewrites: it looks for files, and leaves the rest to the
// upstream.
func (m *machine) serve(l *location) {
	for _, d := range all(m.scope.list, "try_files") {
		if len(d.args) > 1 && !m.finds(d) {
			m.cause = d
			m.redirect(d.args[len(d.args)-1])
			return
		}
	}
	if m.scope.isStatic() && (m.uri.from == l || m.uri.whole) {
		_ = slices.ContainsFunc(m.scope.indexes(), func(d *directive) bool { return m.index(l, d) })
	}
}

// finds reports whether one of the files of a try_files is there. Where it leads to otherwise is
// taken to be there: else it would lead in a circle.
func (m *machine) finds(d *directive) bool {
	if m.tried[d] {
		return true
	}
	if m.tried == nil {
		m.tried = map[*directive]bool{}
	}
	m.tried[d] = true
	return !m.choose(condition{Text: source.Text{Place: d.Place, Text: strings.Join(d.args, " ") + " finds no file"}, field: d.name})
}

// redirect goes where a try_files or an error_page leads.
func (m *machine) redirect(target string) {
	if code, found := strings.CutPrefix(target, "="); found {
		m.stopped = m.cause
		m.status, _ = strconv.Atoi(code)
		m.errorPage()
		return
	}
	if named := m.conf.named[target]; named != nil {
		m.enter(named)
		return
	}
	m.process(m.uriOf(target), nil)
}

// isStatic reports whether nginx answers with files.
func (s *scope) isStatic() bool {
	for ; s != nil; s = s.parent {
		if slices.ContainsFunc(s.list, func(d *directive) bool {
			return strings.HasSuffix(d.name, "_pass") || slices.Contains(handlers, d.name)
		}) {
			return false
		}
		if !s.isIf {
			return true
		}
	}
	return true
}

// handlers are directives, besides those that pass requests on, by which something else than
// files answers.
var handlers = []string{"content_by_lua", "content_by_lua_block", "content_by_lua_file", "js_content", "perl", "stub_status", "empty_gif", "flv", "mp4", "api"}

// indexes are the files that answer for a folder.
func (s *scope) indexes() []*directive {
	found := s.nearest(func(list []*directive) []*directive { return all(list, "index") })
	if found == nil {
		return []*directive{{name: "index", args: []string{"index.html"}}}
	}
	return found
}

// index follows requests for a folder to its file, if another location may answer for that.
func (m *machine) index(l *location, d *directive) (moved bool) {
	for _, name := range d.args {
		for _, u := range m.indexOf(l, name) {
			if slices.Equal(m.server.leadsTo(u), []*location{l}) {
				continue
			}
			if m.choose(condition{Text: source.Text{Place: l.Place, Text: "the path is a folder's, which has " + name}, field: d.name}) {
				m.cause = l.directive
				m.process(u, nil)
				return true
			}
		}
	}
	return false
}

// indexOf returns the paths that a file of an index may have. A try_files may have put the slash
// behind the folder.
func (m *machine) indexOf(l *location, name string) (found []uri) {
	if strings.HasPrefix(name, "/") {
		return []uri{m.uriOf(name)}
	}
	if strings.Contains(name, "$") {
		return nil
	}
	if !m.uri.whole {
		found = append(found, uri{begin: m.uri.begin, end: name, from: l, isFolder: true})
	} else if strings.HasSuffix(m.uri.begin, "/") {
		found = append(found, uri{begin: m.uri.begin + name, whole: true})
	}
	for _, d := range all(m.scope.list, "try_files") {
		if slices.Contains(d.args[:max(len(d.args)-1, 0)], "$uri/") {
			u := uri{begin: m.uri.begin, end: "/" + name, from: l}
			if m.uri.whole {
				u = uri{begin: m.uri.begin + u.end, whole: true}
			}
			found = append(found, u)
		}
	}
	return found
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
	return s.nearest(func(list []*directive) []*directive { return all(list, "error_page") })
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
