package nginx

import (
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

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
	if m.scope.isStatic() {
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
	found := s.nearest("index")
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
			if m.choose(m.isFolder(l, d, name)) {
				m.cause = l.directive
				m.process(u, nil)
				return true
			}
		}
	}
	return false
}

// isFolder is the condition that a folder has a file. If the path is a rewritten one of files, only
// some requests of the location are for one.
func (m *machine) isFolder(l *location, d *directive, name string) condition {
	c := condition{Text: source.Text{Place: l.Place, Text: "the path is a folder's, which has " + name}, field: d.name}
	if m.isMoved(l) && !strings.HasPrefix(name, "/") {
		c.Text.Text, c.seldom = "the path "+m.uri.String()+" is a folder's, which has "+name, true
	}
	return c
}

// isMoved reports whether not all is known of a path that is no longer one of the location's own. A
// named location has none.
func (m *machine) isMoved(l *location) bool {
	return !l.isNamed() && !m.uri.whole && m.uri.from != l && m.uri != l.uri()
}

// indexOf returns the paths that a file of an index may have. A try_files may have put the slash
// behind the folder.
func (m *machine) indexOf(l *location, name string) (found []uri) {
	isAbsolute := strings.HasPrefix(name, "/")
	isSlashed := m.uri.end == "" || strings.HasSuffix(m.uri.end, "/")
	switch {
	case isAbsolute && isSlashed:
		return []uri{m.uriOf(name)}
	case isAbsolute, strings.Contains(name, "$"), !m.uri.whole && m.uri.from != l && !m.isMoved(l):
		return nil
	case m.uri.whole && strings.HasSuffix(m.uri.begin, "/"):
		found = append(found, uri{begin: m.uri.begin + name, whole: true})
	case m.uri.whole:
	case m.uri.from == l:
		found = append(found, uri{begin: m.uri.begin, end: name, from: l, isFolder: true})
	case isSlashed:
		found = append(found, uri{begin: m.uri.begin, end: "/" + name})
	}
	for _, d := range all(m.scope.list, "try_files") {
		if slices.Contains(d.args[:max(len(d.args)-1, 0)], "$uri/") {
			u := uri{begin: m.uri.begin, end: "/" + name, from: m.uri.from}
			if m.uri.whole {
				u = uri{begin: m.uri.begin + u.end, whole: true}
			}
			found = append(found, u)
		}
	}
	return found
}
