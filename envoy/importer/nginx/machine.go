package nginx

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy/prove"
)

// condition is a question whose answer depends on the request: whether the origin
// matches a regex, or whether something else holds.
type condition struct {
	source.Text
	regex prove.Regex // over the origin, if about is varOrigin
	about string      // the variable that it is about; empty: something else
	field string      // the directive that asks; empty: an if
	lack  string      // the header of the request that is not there if it holds; empty: none that is known
	// seldom says that it is told of, and that the policy is for what holds otherwise.
	seldom bool
}

func (c condition) key() string {
	return c.about + "\x00" + c.regex.Expr + "\x00" + strconv.FormatBool(c.regex.Fold) + c.other()
}

// other tells conditions apart that are not about the origin.
func (c condition) other() string {
	if c.about == varOrigin {
		return ""
	}
	return c.Text.Text
}

// directive is what asks.
func (c condition) directive() string { return cmp.Or(c.field, "if") }

// request is what is known of one.
type request struct {
	// origin is the one that is sent. If it is empty, it is any that no literal of the
	// configuration names.
	origin    string
	method    string
	preflight bool
	// fails is an error_page whose first status the files or the upstream answer with.
	fails *directive
}

// machine does what nginx does with a request, in the order that nginx does it.
type machine struct {
	conf *config
	request
	// choose answers conditions that depend on the request.
	choose   func(condition) bool
	vars     map[string]value
	captures map[string]value
	depth    int // of maps within maps

	server *location
	uri    uri
	moved  bool                // a rewrite leads to another location
	jumps  int                 // to locations
	tried  map[*directive]bool // try_files that were asked
	scope  *scope
	status int // 0: what the upstream says
	// cause is what led to the location or the status.
	cause *directive
	// stopped is what answered the request, or nil, and ended what did before an error_page.
	stopped, ended *directive
	failed         bool // an error_page was followed
	readsMethod    bool // something depends on the method
	// others are directives about Access-Control-Allow-Origin that hold for other statuses, or not for them.
	others []*directive
}

// maxMapping bounds maps that refer to each other.
const maxMapping = 30

// eval replaces the variables of v by their values.
func (m *machine) eval(v value) (out value) {
	for _, p := range v {
		if p.name == "" {
			out = out.plus(value{p})
			continue
		}
		out = out.plus(m.variable(p.name))
	}
	if len(v) > 1 && out.has(m.origin) {
		m.conf.derives = true
	}
	if out.size() > maxValue || slices.ContainsFunc(out, func(p part) bool { return p.name == longValue }) {
		return value{{name: longValue}}
	}
	return out
}

func (m *machine) variable(name string) value {
	if v, ok := m.vars[name]; ok {
		return v
	}
	if d := m.conf.maps[name]; d != nil && m.depth < maxMapping {
		m.depth++
		defer func() { m.depth-- }()
		v := m.lookUp(d)
		if !d.isVolatile {
			m.vars[name] = v // nginx keeps it for the whole request
		}
		return v
	}
	if v, ok := m.captures[name]; ok {
		return v
	}
	return m.ofRequest(name)
}

// ofRequest is the value of a variable that nothing in the configuration sets.
func (m *machine) ofRequest(name string) value {
	switch name {
	case varOrigin:
		if m.origin != "" {
			return literal(m.origin)
		}
	case varMethod:
		m.readsMethod = true
		return literal(m.method)
	case varRequestedMethod, varRequestedHeaders:
		if !m.preflight {
			return nil
		}
	case pathVariables[0], pathVariables[1]:
		if m.uri.whole {
			return literal(m.uri.begin)
		}
	default:
		if m.preflight && headerOf(name) != "" {
			return nil
		}
		if m.conf.set[name] { // nginx takes a variable that is not yet set for empty
			return nil
		}
	}
	return value{{name: name}}
}

// mapping is a map that is read once: it may have thousands of entries, and is asked for
// each of them.
type mapping struct {
	*directive
	source         value
	texts          map[string]*directive // by their lower case
	order          []string              // of texts
	stars, regexes []*directive
	refused        []*directive // names that nginx does not start with
	byDefault      value
	isVolatile     bool // it is looked up each time
}

func newMapping(d *directive) *mapping {
	m := &mapping{directive: d, source: split(d.arg(0)), texts: map[string]*directive{}}
	hostnames := len(all(d.block, "hostnames")) > 0
	m.isVolatile = slices.ContainsFunc(all(d.block, "volatile"), func(e *directive) bool { return len(e.args) == 0 })
	for _, e := range d.block {
		switch {
		case e.name == "default":
			m.byDefault = split(e.arg(0)).from(e.Place)
		case (e.name == "hostnames" || e.name == "volatile") && len(e.args) == 0:
		case strings.HasPrefix(e.name, "~"):
			m.regexes = append(m.regexes, e)
		case hostnames && !isHostname(e.name):
			m.refused = append(m.refused, e)
		case hostnames && isStarred(e.name):
			m.stars = append(m.stars, e)
		default:
			text := strings.ToLower(strings.TrimPrefix(e.name, `\`))
			if m.texts[text] == nil {
				m.texts[text], m.order = e, append(m.order, text)
			}
		}
	}
	slices.SortStableFunc(m.stars, func(a, b *directive) int { return len(b.name) - len(a.name) })
	return m
}

// lookUp does what a map does (ngx_http_map_find): texts without case, names with stars,
// the longest first, then regexes in their order, then the default.
func (m *machine) lookUp(d *mapping) value {
	if m.conf.spend() {
		return nil
	}
	v := m.eval(d.source)
	if text, isText := v.isLiteral(); isText {
		if e := d.texts[strings.ToLower(text)]; e != nil {
			return m.result(e)
		}
	} else {
		for _, text := range d.order {
			e := d.texts[text]
			if m.equal(v, literal(strings.TrimPrefix(e.name, `\`)), true, e.Place) {
				return m.result(e)
			}
		}
	}
	for _, e := range d.stars {
		if m.matches(v, prove.Regex{Expr: starred(e.name), Mode: prove.Search, Fold: true}, source.Text{Place: e.Place, Text: e.name}) {
			return m.result(e)
		}
	}
	for _, e := range d.regexes {
		expr, fold := strings.CutPrefix(e.name[1:], "*")
		if m.matches(v, prove.Regex{Expr: expr, Mode: prove.Search, Fold: fold}, source.Text{Place: e.Place, Text: e.name}) {
			return m.result(e)
		}
	}
	return m.eval(d.byDefault)
}

// result is the value of an entry of a map.
func (m *machine) result(e *directive) value { return m.eval(split(e.arg(0)).from(e.Place)) }

func isStarred(name string) bool {
	return strings.HasPrefix(name, "*.") || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".*")
}

// isHostname reports whether a name has its star where nginx knows one (ngx_hash_add_key).
func isHostname(name string) bool {
	bare := strings.TrimPrefix(name, "*.")
	if bare == name {
		bare = strings.TrimSuffix(name, ".*")
	}
	return !strings.Contains(bare, "*") && !strings.Contains(name, "..")
}

// starred is the regex of a name with a star (ngx_hash_add_key).
func starred(name string) string {
	switch {
	case strings.HasPrefix(name, "*."):
		return `^.+` + regexp.QuoteMeta(name[1:]) + `$`
	case strings.HasPrefix(name, "."):
		return `^(.+\.)?` + regexp.QuoteMeta(name[1:]) + `$`
	default:
		return `^` + regexp.QuoteMeta(strings.TrimSuffix(name, "*")) + `.`
	}
}

// equal compares two values.
func (m *machine) equal(v, w value, fold bool, at source.Place) bool {
	if v.String() == w.String() {
		m.conf.compare(m.origin, v.String(), w.String())
		return true
	}
	if w.is(varOrigin) {
		v, w = w, v
	}
	text, isText := w.isLiteral()
	other, both := v.isLiteral()
	switch {
	case isText && both:
		m.conf.compare(m.origin, text, other)
		return fold && strings.EqualFold(text, other)
	case isText && v.is(varOrigin):
		m.conf.seeOrigin(text, fold, at)
		return false // m.origin is none that a literal names
	case isText && text == "" && knownFull(v), isText && v.isPath() && !m.uri.mayBe(text):
		return false
	}
	c := condition{Text: source.Text{Place: at, Text: v.String() + " = " + w.String()}}
	if isText && text == "" && len(v) == 1 {
		c.lack = headerOf(v[0].name)
	}
	return m.choose(c)
}

// knownFull reports whether v has text in any case.
func knownFull(v value) bool {
	return slices.ContainsFunc(v, func(p part) bool { return p.text != "" || p.name == varOrigin || p.name == varRequestedMethod })
}

// matches compares a value with a regex, and sets the variables of its groups.
func (m *machine) matches(v value, r prove.Regex, text source.Text) bool {
	if m.conf.spend() {
		return false
	}
	flags := ""
	if r.Fold {
		flags = "(?i)"
	}
	re, err := m.conf.compile(flags + r.Expr)
	s, isText := v.isLiteral()
	switch {
	case err == nil && isText:
		groups := re.FindStringSubmatch(s)
		for i, group := range groups {
			m.capture(re, i, literal(group))
		}
		return groups != nil
	case v.isPath():
		return m.matchesPath(r, text, "")
	case !v.is(varOrigin):
		yes := m.choose(condition{Text: source.Text{Place: text.Place, Text: v.String() + " ~ " + r.Expr}})
		if yes {
			clear(m.captures)
		}
		return yes
	}
	yes := m.choose(condition{Text: text, regex: r, about: varOrigin})
	if yes && err == nil {
		for i := range re.NumSubexp() + 1 {
			m.capture(re, i, value{{name: strconv.Itoa(i)}})
			if isWholeGroup(r.Expr, i) {
				m.capture(re, i, value{{name: varOrigin}})
			}
		}
	}
	return yes
}

func (m *machine) capture(re *regexp.Regexp, i int, v value) {
	m.captures[strconv.Itoa(i)] = v
	if name := re.SubexpNames()[i]; name != "" {
		m.captures[strings.ToLower(name)] = v
	}
}

// isFalse is how "if ($x)" reads a value; it knows it only of texts.
func isFalse(s string) bool { return s == "" || s == "0" }

// holds evaluates the condition of an if (ngx_http_rewrite_if_condition).
func (m *machine) holds(d *directive) bool {
	if len(d.args) == 0 {
		return false
	}
	left := m.eval(split(d.args[0]))
	if len(d.args) == 1 {
		text, isText := left.isLiteral()
		switch {
		case isText:
			return !isFalse(text)
		case knownFull(left):
			return true
		}
		return m.choose(condition{Text: source.Text{Place: d.Place, Text: left.String()}})
	}
	right := strings.Join(d.args[2:], " ")
	switch op := d.args[1]; op {
	case "=", "!=":
		return m.equal(left, m.eval(split(right)), false, d.Place) == (op == "=")
	case "~", "~*", "!~", "!~*":
		r := prove.Regex{Expr: right, Mode: prove.Search, Fold: strings.HasSuffix(op, "*")}
		return m.matches(left, r, source.Text{Place: d.Place, Text: right}) == !strings.HasPrefix(op, "!")
	}
	return m.choose(condition{Text: source.Text{Place: d.Place, Text: strings.Join(d.args, " ")}})
}
