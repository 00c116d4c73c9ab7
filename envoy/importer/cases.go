package importer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// maxCaseOrigins bounds the origins of a policy that get cases.
const maxCaseOrigins = 20

// Cases returns a file of cases for 'corsgate test': what the systems do, as the readers
// tell it. If the report says that the policies do otherwise, the case wants that, says so in its
// name, and names the place in the input. A difference that the report does not know of makes the
// case fail.
func (r Result) Cases() []byte {
	w := caseWriter{result: r, names: map[string]bool{}}
	if valid, _ := policy.Validate(r.Policies); valid != nil {
		w.set = policy.Compile(valid)
	}
	w.text.WriteString("about: what the imported configuration does\npartial: true\ncases:\n")
	for _, l := range r.chart.lanes {
		for i := range r.Policies {
			if w.set != nil && slices.Contains(l.policies, r.Policies[i].Name) {
				w.policy(l, &r.Policies[i])
			}
		}
	}
	return []byte(w.text.String())
}

// caseWriter writes cases.
type caseWriter struct {
	result Result
	set    *policy.Set
	text   strings.Builder
	names  map[string]bool
}

// policy writes the cases of a policy.
func (w *caseWriter) policy(l *lane, p *policy.Spec) {
	at := scopeOf(p)
	if !l.acts() {
		w.write(l, request{host: at.host, path: at.path, origin: "https://app.example", method: "GET"})
		return
	}
	origins := w.origins(l, p)
	for _, o := range origins {
		w.write(l, request{host: at.host, path: at.path, origin: o, method: "GET"})
	}
	origin, ok := w.allowed(at, origins)
	if !ok {
		return
	}
	ask := request{host: at.host, path: at.path, origin: origin, preflight: true, method: "GET"}
	for _, m := range append(textsOf(names(l.route.CORS.Methods)), "UNLISTED") {
		if policy.IsToken(m) && m != "*" && m != "OPTIONS" {
			ask.method = m
			w.write(l, ask)
		}
	}
	ask.method = "GET"
	for _, h := range append(textsOf(names(l.route.CORS.Headers)), "x-unlisted") {
		if h = strings.ToLower(h); policy.IsToken(h) && h != "*" && !policy.IsForbiddenRequestHeader(h) {
			ask.headers = []string{h}
			w.write(l, ask)
		}
	}
	ask.headers, ask.origin = nil, "https://unlisted.example"
	w.write(l, ask)
	ask.preflight, ask.origin = false, origin
	w.elsewhere(l, p, ask)
}

// allowed returns an origin that the source allows, and if there is one, the policy too.
func (w *caseWriter) allowed(at scope, origins []string) (origin string, ok bool) {
	for _, o := range origins {
		q := request{host: at.host, path: at.path, origin: o, method: "GET"}
		if !replyOf(w.routeOf(q), q).origin {
			continue
		}
		if origin, ok = o, true; accessOf(w.set.Decide(q.asked())).granted {
			return o, true
		}
	}
	return origin, ok
}

// elsewhere asks about other hosts and paths of a policy, and next to them.
func (w *caseWriter) elsewhere(l *lane, p *policy.Spec, ask request) {
	for _, host := range p.Hosts {
		w.write(l, request{host: hostFor(host), path: ask.path, origin: ask.origin, method: "GET"})
	}
	for _, path := range p.Paths {
		for _, path := range []string{path, strings.TrimRight(path, "/") + "/below"} {
			w.write(l, request{host: ask.host, path: path, origin: ask.origin, method: "GET"})
		}
	}
}

func textsOf(list []source.Text) []string {
	texts := make([]string, len(list))
	for i, t := range list {
		texts[i] = t.Text
	}
	return texts
}

// scopeOf returns a host and a path that p covers.
func scopeOf(p *policy.Spec) scope {
	s := scope{host: "any.example", path: "/"}
	if len(p.Hosts) > 0 {
		s.host = hostFor(p.Hosts[0])
	}
	if len(p.Paths) > 0 {
		s.path = p.Paths[0]
	}
	return s
}

// hostFor returns a host that an entry covers.
func hostFor(entry string) string {
	if parent, star := strings.CutPrefix(entry, "*."); star {
		return "any." + parent
	}
	return entry
}

// origins returns origins to ask about: those that the source lists, those of its patterns,
// near misses of both, and what its regexes and the report name.
func (w *caseWriter) origins(l *lane, p *policy.Spec) (all []string) {
	add := func(origins ...string) {
		for _, o := range origins {
			if _, err := policy.ParseOrigin(o); err == nil && !slices.Contains(all, o) {
				all = append(all, o)
			}
		}
	}
	var witnesses []string
	for _, o := range l.route.CORS.Origins {
		if text, literal := literalOf(o.Regex); literal {
			add(text)
		} else if v, err := w.result.proofs.of(o.Regex); err == nil {
			witnesses = append(witnesses, v.LostOwn, v.Hole, v.Lost)
		}
	}
	for _, text := range p.CORS.AllowOrigins {
		add(sampleOf(text))
	}
	for _, origin := range slices.Clone(all[:min(len(all), maxCaseOrigins)]) {
		add(nearMisses(origin)...)
	}
	for _, f := range l.answer.findings {
		add(f.Origin)
	}
	add(witnesses...)
	if len(all) == 0 {
		add("https://app.example")
	}
	return all
}

// sampleOf returns an origin that a pattern allows.
func sampleOf(pattern string) string {
	if pattern == "*" {
		return "https://app.example"
	}
	return strings.NewReplacer("://*", "://sub", ":*", ":8080", "*", "sub").Replace(pattern)
}

// nearMisses returns origins of somebody else that look like an origin.
func nearMisses(origin string) []string {
	o, err := policy.ParseOrigin(origin)
	if err != nil || o.Host == "" || o.Host[0] == '[' {
		return nil
	}
	lookalike, below, port, scheme := o, o, o, o
	lookalike.Host = "evil" + o.Host
	below.Host = o.Host + ".evil.example"
	port.Port = 8443
	scheme.Scheme = map[string]string{"https": "http", "http": "https"}[o.Scheme]
	return []string{lookalike.String(), below.String(), port.String(), scheme.String()}
}

// write writes a case about a request, unless it is there already.
func (w *caseWriter) write(l *lane, q request) {
	d := w.set.Decide(q.asked())
	if !slices.Contains(l.policies, d.Policy) || w.names[q.String()] {
		return // another policy's cases have it
	}
	w.names[q.String()] = true
	rep := replyOf(w.routeOf(q), q)
	was, is := rep.access(q), accessOf(d)
	name, why, want := q.String(), l.route.Place, wantOf(d)
	switch {
	case was == is:
	case tells(w.result.chart.at(q.host, q.path), l, is.isWider(was)):
		name = differing(is.isWider(was)) + ": " + name
		why = w.placeOf(l, q, d.Reason)
	default: // the report does not know of it: the case is to fail
		want = rep.want(d.Policy, q)
	}
	fmt.Fprintf(&w.text, "- name: %s\n", quote(name))
	if why != (source.Place{}) {
		fmt.Fprintf(&w.text, "  why: %s\n", quote(why.String()))
	}
	w.request(q)
	fmt.Fprintf(&w.text, "  want: {%s}\n", want)
}

func differing(wider bool) string {
	if wider {
		return "widened"
	}
	return "narrowed"
}

// placeOf returns where the input has what the policies do otherwise about q.
func (w *caseWriter) placeOf(l *lane, q request, reason policy.Reason) source.Place {
	if l.answer == nil {
		return l.route.Place
	}
	field := originsField
	switch reason {
	case policy.ReasonPreflightMethodDenied:
		field = methodsField
	case policy.ReasonPreflightHeaderDenied, policy.ReasonPreflightAllowed:
		field = headersField
	}
	place := l.route.Place
	for _, f := range slices.Backward(l.answer.findings) {
		if f.Origin == q.origin && f.Origin != "" {
			return f.Place
		}
		if f.Fidelity != source.Kept && f.Field == field {
			place = f.Place
		}
	}
	return place
}

// routeOf returns the route that the system chooses.
func (w *caseWriter) routeOf(q request) *source.Route {
	if l := w.result.chart.at(q.host, q.path); l != nil {
		return l.route
	}
	return nil
}

// String says what is asked for.
func (q request) String() string {
	what := q.method
	if q.preflight {
		what = "preflight for " + q.method
	}
	if len(q.headers) > 0 {
		what += " with " + strings.Join(q.headers, ", ")
	}
	return what + " https://" + q.host + q.path + " from " + q.origin
}

// asked returns q as Decide wants it.
func (q request) asked() *policy.Request {
	p := &policy.Request{Method: q.method, Authority: q.host, Path: q.path, Origin: q.origin}
	if q.preflight {
		p.Method, p.RequestMethod, p.RequestHeaders = "OPTIONS", q.method, strings.Join(q.headers, ",")
	}
	return p
}

func (w *caseWriter) request(q request) {
	p := q.asked()
	headers := "origin: " + quote(q.origin)
	if q.preflight {
		headers += ", access-control-request-method: " + quote(p.RequestMethod)
	}
	if p.RequestHeaders != "" {
		headers += ", access-control-request-headers: " + quote(p.RequestHeaders)
	}
	fmt.Fprintf(&w.text, "  request: {method: %s, host: %s, path: %s, headers: {%s}}\n", quote(p.Method), quote(q.host), quote(q.path), headers)
}

// wantOf returns what a case says of a decision.
func wantOf(d policy.Decision) string {
	var origin, credentials string
	for _, h := range d.Answer.Headers {
		switch h.Name {
		case "access-control-allow-origin":
			origin = d.Value(h)
		case "access-control-allow-credentials":
			credentials = d.Value(h)
		}
	}
	return wantText(d.Policy, d.Reason, origin, credentials)
}

// want returns what a case says if a policy is to answer q as rep does.
func (rep reply) want(name string, q request) string {
	var origin, credentials string
	if rep.origin {
		origin = q.origin
	}
	if rep.star {
		origin = "*"
	}
	if rep.access(q).credentials {
		credentials = "true"
	}
	return wantText(name, rep.reason(q), origin, credentials)
}

func wantText(name string, reason policy.Reason, origin, credentials string) string {
	var headers []string
	if origin != "" {
		headers = append(headers, "access-control-allow-origin: "+quote(origin))
	}
	if origin != "" && credentials == "" {
		headers = append(headers, "access-control-allow-credentials: []") // none
	} else if credentials != "" {
		headers = append(headers, "access-control-allow-credentials: "+quote(credentials))
	}
	text := fmt.Sprintf("policy: %s, reason: %s", name, reason)
	if len(headers) > 0 {
		text += ", headers: {" + strings.Join(headers, ", ") + "}"
	}
	return text
}

// quote returns a text as YAML reads it in quotes.
func quote(text string) string { return strconv.QuoteToASCII(text) }
