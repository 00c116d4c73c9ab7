package nginx

import (
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

const allowOrigin = "access-control-allow-origin"

// header is a header that nginx adds to an answer.
type header struct {
	source.Place
	name  string // lower case
	value value
	only  []int // the statuses of the answers that get it; nil: all
}

// plain are the statuses that add_header without "always" adds to.
var plain = []int{200, 201, 204, 206, 301, 302, 303, 304, 307, 308}

// has reports whether a list of statuses, nil for all, has that of the answer. What the files or
// the upstream answer with is taken for 200.
func (m *machine) has(statuses []int) bool {
	status := m.status
	if status == 0 {
		status = 200
	}
	return statuses == nil || slices.Contains(statuses, status)
}

// headers returns the CORS headers of the answer; what the upstream's has is not known.
func (m *machine) headers() (found []header) {
	for _, d := range m.scope.added() {
		m.conf.sent[d] = true
		h := header{Place: d.Place, name: strings.ToLower(d.arg(0)), only: plain}
		if d.arg(2) == "always" {
			h.only = nil
		}
		if !policy.IsCORSHeader(h.name) {
			continue
		}
		h.value = m.eval(split(d.arg(1)))
		if text, isText := h.value.isLiteral(); isText && text == "" {
			continue // nginx adds no empty header
		}
		if m.has(h.only) {
			found = append(found, h)
		}
	}
	for _, d := range m.more() {
		found = m.moreHeaders(found, d)
	}
	return found
}

// added returns the add_header directives that hold in a scope (ngx_http_headers_merge_conf). How
// they are inherited is itself inherited.
func (s *scope) added() []*directive {
	if s == nil {
		return nil
	}
	found, how := all(s.list, "add_header"), "on"
	if inherit := s.nearest("add_header_inherit"); inherit != nil {
		how = inherit[0].arg(0)
	}
	if how == "merge" || how == "on" && found == nil {
		found = append(s.parent.added(), found...)
	}
	return found
}

// more returns the directives of the headers-more module that hold: they come after all
// others, and outer ones before inner ones.
func (m *machine) more() (found []*directive) {
	for s := m.scope; s != nil; s = s.parent {
		found = append(all(s.list, "more_set_headers", "more_clear_headers"), found...)
	}
	return found
}

// moreHeaders does a directive of the headers-more module.
func (m *machine) moreHeaders(found []header, d *directive) []header {
	o := optionsOf(d)
	m.conf.sent[d] = true
	if !m.has(o.statuses) {
		if m.status == 0 && o.isAbout(allowOrigin) {
			m.others = append(m.others, d)
		}
		return found
	}
	if o.types != "" && o.isAboutCORS() && !m.choose(condition{Text: source.Text{Place: d.Place, Text: "the answer's type is " + o.types}, field: d.name}) {
		return found
	}
	if o.clears {
		if o.statuses != nil && m.status == 0 && o.isAbout(allowOrigin) {
			m.others = append(m.others, d)
		}
		return slices.DeleteFunc(found, func(old header) bool { return o.isAbout(old.name) })
	}
	for _, text := range o.headers {
		name, content, _ := strings.Cut(text, ":")
		h := header{Place: d.Place, name: strings.ToLower(strings.TrimSpace(name)), value: m.eval(split(strings.TrimSpace(content))), only: o.statuses}
		if policy.IsCORSHeader(h.name) {
			found = m.set(found, h, o, d)
		}
	}
	return found
}

// set does what more_set_headers does with one header.
func (m *machine) set(found []header, h header, o options, d *directive) []header {
	has := slices.ContainsFunc(found, func(old header) bool { return old.name == h.name })
	if o.replaces && !has && !m.choose(condition{Text: source.Text{Place: d.Place, Text: "the upstream's answer has " + h.name}, field: d.name}) {
		return found
	}
	if !o.appends {
		found = slices.DeleteFunc(found, func(old header) bool { return old.name == h.name })
	}
	if text, isText := h.value.isLiteral(); !isText || text != "" {
		found = append(found, h)
	}
	return found
}

// options are what a directive of the headers-more module says.
type options struct {
	statuses                  []int  // nil: all
	types                     string // of contents; empty: all
	replaces, appends, clears bool
	headers                   []string
}

func optionsOf(d *directive) (o options) {
	o.clears = d.name == "more_clear_headers"
	for i := 0; i < len(d.args); i++ {
		switch d.args[i] {
		case "-s":
			i++
			o.statuses = append(o.statuses, statusesOf(d.arg(i))...)
		case "-t":
			i++
			o.types = strings.TrimSpace(o.types + " " + d.arg(i))
		case "-r":
			o.replaces = true
		case "-a":
			o.appends = true
		default:
			o.headers = append(o.headers, d.args[i])
		}
	}
	return o
}

func statusesOf(text string) []int {
	found := []int{}
	for _, word := range strings.Fields(text) {
		if status, err := strconv.Atoi(word); err == nil {
			found = append(found, status)
		}
	}
	return found
}

// isAbout reports whether the directive sets or clears a header; a name that is cleared may end
// in a star.
func (o options) isAbout(name string) bool {
	return slices.ContainsFunc(o.headers, func(text string) bool {
		text, _, _ = strings.Cut(text, ":")
		text = strings.ToLower(strings.TrimSpace(text))
		if prefix, star := strings.CutSuffix(text, "*"); star && o.clears {
			return strings.HasPrefix(name, prefix)
		}
		return text == name
	})
}

func (o options) isAboutCORS() bool { return slices.ContainsFunc(known, o.isAbout) }

// hidesUpstream reports whether the upstream's own Access-Control-Allow-Origin is removed
// or replaced for a request that nginx sets none for.
func (m *machine) hidesUpstream() bool {
	hide := m.scope.nearest("proxy_hide_header", "fastcgi_hide_header", "uwsgi_hide_header", "scgi_hide_header", "grpc_hide_header")
	if slices.ContainsFunc(hide, func(d *directive) bool { return strings.EqualFold(d.arg(0), allowOrigin) }) {
		return true
	}
	return slices.ContainsFunc(m.more(), func(d *directive) bool {
		o := optionsOf(d)
		return o.clears && o.statuses == nil && o.types == "" && o.isAbout(allowOrigin)
	})
}
