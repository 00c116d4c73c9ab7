package nginx

import (
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// scope is a block whose directives hold for a request.
type scope struct {
	list   []*directive
	parent *scope
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

// run does the rewrite phases of a server and of one of its locations, nil if none fits.
func (m *machine) run(server *scope, location *scope) {
	m.vars, m.captures = map[string]value{}, map[string]value{}
	m.scope = server
	m.exec(server)
	if m.stopped == nil && location != nil {
		m.scope = location
		m.exec(location)
	}
	m.errorPage()
}

// exec does the directives of the rewrite module (ngx_http_rewrite_handler), and reports
// whether one of them ended it.
func (m *machine) exec(s *scope) (end bool) {
	for _, d := range s.list {
		switch d.name {
		case "set":
			m.vars[strings.ToLower(strings.TrimPrefix(d.arg(0), "$"))] = m.eval(split(d.arg(1)).from(d.Place))
		case "if":
			if !m.holds(d) {
				continue
			}
			// The last if that holds is where the request's other directives are looked for.
			inner := &scope{list: d.block, parent: s}
			m.scope = inner
			if m.exec(inner) {
				return true
			}
		case "break":
			return true
		case "return":
			m.stopped, m.status = d, 200
			if code, err := strconv.Atoi(d.arg(0)); err == nil {
				m.status = code
			} else if len(d.args) == 1 { // only a URL
				m.status = 302
			}
			return true
		case "rewrite":
			if m.rewrites(d) {
				return true
			}
		}
	}
	return false
}

// everything are regexes that match any path.
var everything = []string{"^", ".*", "^.*", "^.*$", "^(.*)$", "^(.*)", "(.*)", "^/", "^/(.*)$", "^/(.*)", "/(.*)", "/"}

// rewrites reports whether a rewrite ended the phase.
func (m *machine) rewrites(d *directive) bool {
	flag := d.arg(2)
	if flag == "" && !isURL(d.arg(1)) {
		return false
	}
	if !slices.Contains(everything, d.arg(0)) &&
		!m.choose(condition{Text: source.Text{Place: d.Place, Text: "the path matches " + d.arg(0)}}) {
		return false
	}
	switch {
	case flag == "permanent":
		m.stopped, m.status = d, 301
	case flag == "redirect" || isURL(d.arg(1)):
		m.stopped, m.status = d, 302
	}
	return true
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "$scheme")
}

// errorPage follows a status to a named location: "error_page 418 = @cors" answers
// preflights in one place.
func (m *machine) errorPage() {
	if m.stopped == nil {
		return
	}
	pages := m.scope.nearest(func(list []*directive) []*directive { return all(list, "error_page") })
	for _, d := range pages {
		last := len(d.args) - 1
		if last < 1 || !slices.Contains(d.args[:last], strconv.Itoa(m.status)) || m.conf.named[d.arg(last)] == nil {
			continue
		}
		status := m.status
		m.stopped, m.status = nil, 0
		m.scope = m.conf.named[d.arg(last)]
		m.exec(m.scope)
		switch as := d.arg(last - 1); {
		case !strings.HasPrefix(as, "="):
			m.status = status
		case len(as) > 1:
			m.status, _ = strconv.Atoi(as[1:])
		}
		return
	}
}

// header is a header that nginx adds to an answer.
type header struct {
	source.Place
	name   string // lower case
	value  value
	always bool
}

// plain are the statuses that add_header without "always" adds to.
var plain = []int{200, 201, 204, 206, 301, 302, 303, 304, 307, 308}

// headers returns the CORS headers of the answer; what the upstream's has is not known.
func (m *machine) headers() (found []header) {
	for _, d := range m.added() {
		m.conf.sent[d] = true
		h := header{Place: d.Place, name: strings.ToLower(d.arg(0)), always: d.arg(2) == "always"}
		if !policy.IsCORSHeader(h.name) {
			continue
		}
		h.value = m.eval(split(d.arg(1)))
		if text, isText := h.value.isLiteral(); isText && text == "" {
			continue // nginx adds no empty header
		}
		if h.always || m.status == 0 || slices.Contains(plain, m.status) {
			found = append(found, h)
		}
	}
	return m.more(found)
}

// added returns the add_header directives that hold.
func (m *machine) added() []*directive {
	var found []*directive
	for s := m.scope; s != nil; s = s.parent {
		found = append(all(s.list, "add_header"), found...)
		inherit := all(s.list, "add_header_inherit")
		merges := len(inherit) > 0 && inherit[0].arg(0) == "merge"
		off := len(inherit) > 0 && inherit[0].arg(0) == "off"
		if off || len(found) > 0 && !merges {
			break
		}
	}
	return found
}

// more does what the headers-more module does after that: it replaces or clears what is
// there, and outer directives come before inner ones.
func (m *machine) more(found []header) []header {
	var scopes []*scope
	for s := m.scope; s != nil; s = s.parent {
		scopes = append(scopes, s)
	}
	for _, s := range slices.Backward(scopes) {
		for _, d := range s.list {
			switch d.name {
			case "more_set_headers":
				m.conf.sent[d] = true
				for _, text := range moreHeaders(d) {
					name, content, _ := strings.Cut(text, ":")
					h := header{Place: d.Place, name: strings.ToLower(strings.TrimSpace(name)), value: m.eval(split(strings.TrimSpace(content))), always: true}
					if !policy.IsCORSHeader(h.name) {
						continue
					}
					found = slices.DeleteFunc(found, func(old header) bool { return old.name == h.name })
					if text, isText := h.value.isLiteral(); !isText || text != "" {
						found = append(found, h)
					}
				}
			case "more_clear_headers":
				found = slices.DeleteFunc(found, func(old header) bool { return clears(d, old.name) })
			}
		}
	}
	return found
}

// moreHeaders returns the headers of a directive without its flags.
func moreHeaders(d *directive) (texts []string) {
	for i := 0; i < len(d.args); i++ {
		if d.args[i] == "-s" || d.args[i] == "-t" {
			i++
			continue
		}
		if d.args[i] != "-a" && d.args[i] != "-r" {
			texts = append(texts, d.args[i])
		}
	}
	return texts
}

// clears reports whether more_clear_headers removes a header; a name may end in a star.
func clears(d *directive, name string) bool {
	return slices.ContainsFunc(moreHeaders(d), func(text string) bool {
		text = strings.ToLower(strings.TrimSpace(text))
		if prefix, star := strings.CutSuffix(text, "*"); star {
			return strings.HasPrefix(name, prefix)
		}
		return text == name
	})
}

const allowOrigin = "access-control-allow-origin"

// hidesUpstream reports whether the upstream's own Access-Control-Allow-Origin is removed
// or replaced for a request that nginx sets none for.
func (m *machine) hidesUpstream() bool {
	hide := m.scope.nearest(func(list []*directive) (found []*directive) {
		for _, d := range list {
			if strings.HasSuffix(d.name, "_hide_header") {
				found = append(found, d)
			}
		}
		return found
	})
	if slices.ContainsFunc(hide, func(d *directive) bool { return strings.EqualFold(d.arg(0), allowOrigin) }) {
		return true
	}
	for s := m.scope; s != nil; s = s.parent {
		if slices.ContainsFunc(all(s.list, "more_clear_headers"), func(d *directive) bool { return clears(d, allowOrigin) }) {
			return true
		}
	}
	return false
}
