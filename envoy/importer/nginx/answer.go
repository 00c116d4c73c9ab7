package nginx

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// verdict is what a browser makes of an Access-Control-Allow-Origin.
type verdict uint8

const (
	denied    verdict = iota
	reflected         // it is the origin
	star              // it is "*"
)

// answer is what nginx answers to the requests of an origin.
type answer struct {
	verdict     verdict
	credentials bool
	useless     bool // there is Access-Control-Allow-Credentials, but with "*"
	// preflights says that they succeed, and forwards that the upstream answers them.
	preflights, forwards     bool
	methods, headers, expose source.Names
	maxAge                   *source.MaxAge
	private                  bool
	keepsUpstream            bool
	// ended says that nginx answers the request itself, and how.
	ended  bool
	status int
	// options says that nginx answers each OPTIONS request itself.
	options bool
	// everyStatus says that answers get the headers whatever their status is.
	everyStatus bool
	// refuses says which requests nginx refuses by itself, and by what.
	refuses methodSet
	by      *directive
	// early says that only the preflight's answer has an Access-Control-Allow-Origin.
	early *source.Place
}

// key is equal for answers that a browser cannot tell apart.
func (a answer) key() string {
	k := a.readers()
	if k != "" && a.preflights {
		k += fmt.Sprint(" ", texts(a.methods), texts(a.headers), a.private)
		if a.maxAge != nil {
			k += strconv.Itoa(a.maxAge.Seconds)
		}
	}
	return k
}

// readers is equal for answers that the same pages may read, once they are there.
func (a answer) readers() string {
	if a.verdict == denied {
		return ""
	}
	return fmt.Sprint("allowed ", a.credentials, texts(a.expose))
}

func texts(n source.Names) string {
	var list []string
	for _, item := range n.Items {
		list = append(list, item.Text)
	}
	return fmt.Sprint(n.Echo, list)
}

// answer finds out what the pages of an origin may do.
func (s *site) answer(origin string, choose func(condition) bool) answer {
	p := page{site: s, origin: origin, choose: choose, asked: map[string]exchange{}}
	pre := p.preflight()
	actual, v := p.actual()
	a := answer{verdict: v, forwards: pre.stopped == nil, keepsUpstream: !actual.hidesUpstream(), ended: actual.isEnded(), status: actual.status}
	a.refuses, a.by = p.refuses()
	preflight := s.verdict(pre, origin)
	a.preflights = preflight != denied && pre.isOK()
	s.otherStatuses(actual)
	if v == denied {
		if a.preflights {
			place := pre.place()
			a.early = &place
		}
		return a
	}
	// Fetch, CORS check: "*" does not do if credentials are included.
	credentials := s.credentials(actual)
	a.credentials, a.useless = credentials && v != star, credentials && v == star
	a.expose = s.names(actual, "access-control-expose-headers")
	a.everyStatus = actual.get(allowOrigin)[0].only == nil
	s.someStatuses(actual)
	a.options = p.answersOptions(actual)
	if !a.preflights {
		s.failedPreflight(pre, preflight)
		return a
	}
	p.readPreflight(&a, pre, actual, preflight == star)
	return a
}

// actual is the request that allows most: a GET, or a POST if only that is allowed.
func (p page) actual() (exchange, verdict) {
	get := p.ask("GET")
	post := p.ask("POST")
	if v := p.verdict(get, p.origin); v != denied {
		p.withoutPost(get, post)
		return get, v
	}
	v := p.verdict(post, p.origin)
	if v == denied {
		return get, denied
	}
	p.tellAt(post, source.Widened, "GET and HEAD get no such header, and POST does: corsgate allows the three alike")
	return post, v
}

// withoutPost tells if only GET has the header.
func (p page) withoutPost(get, post exchange) {
	switch {
	case p.verdict(post, p.origin) != denied, post.refused(): // see refuses
	case post.isEnded() && post.status >= 400:
		p.findings.add(source.Finding{
			Fidelity: source.Differs, Place: post.refusal().Place, Field: post.refusal().name, Value: strings.Join(post.refusal().args, " "),
			Message: fmt.Sprintf("nginx answers POST with %d by itself, without the CORS headers; corsgate adds them to every answer", post.status),
		})
	default:
		p.tellAt(get, source.Widened, "POST gets no such header, and GET does: corsgate always allows GET, HEAD and POST")
	}
}

// refuses says which requests nginx refuses by itself, and by what.
func (p page) refuses() (found methodSet, by *directive) {
	for i, method := range deniable {
		if x := p.ask(method); x.refused() {
			found |= 1 << i
			by = cmp.Or(by, x.refusal())
		}
	}
	return found, by
}

// answersOptions reports whether nginx answers each OPTIONS request itself, and tells it.
func (p page) answersOptions(actual exchange) bool {
	plain := p.ask("OPTIONS")
	if plain.stopped == nil || actual.stopped != nil || plain.status/100 != 2 {
		return false
	}
	p.findings.add(source.Finding{
		Fidelity: source.Differs, Place: plain.stopped.Place, Field: "return", Value: strings.Join(plain.stopped.args, " "),
		Message: "nginx answers every OPTIONS request here; corsgate answers preflights, and other OPTIONS requests go to the upstream",
	})
	return true
}

// failedPreflight tells of preflights that do not succeed.
func (s *site) failedPreflight(pre exchange, preflight verdict) {
	if preflight == denied {
		s.refusedPreflight(pre)
		return
	}
	f := source.Finding{
		Fidelity: source.Kept, Place: s.place(), Field: "Access-Control-Allow-Origin",
		Message: fmt.Sprintf("nginx answers preflights with %d, so browsers refuse each request that needs one; the policy allows no more", pre.status),
	}
	if by := pre.refusal(); by != nil {
		f.Place, f.Field, f.Value = by.Place, by.name, strings.Join(by.args, " ")
	}
	s.findings.add(f)
}

// readPreflight reads what the answer to a preflight grants.
func (p page) readPreflight(a *answer, pre, actual exchange, isStar bool) {
	if a.forwards && !p.conf.supposed {
		p.tellAt(pre, source.Differs, "nginx sends preflights to the upstream, whose status decides; corsgate answers those of allowed origins itself")
	}
	if d := pre.scope.switchedOn("auth_request"); d != nil {
		p.findings.add(source.Finding{
			Fidelity: source.Differs, Place: d.Place, Field: d.name, Value: d.arg(0),
			Message: "this decides about preflights, too, which have no credentials; corsgate answers those of allowed origins itself",
		})
	}
	if (p.credentials(pre) && !isStar) != a.credentials {
		p.tellAt(actual, source.Decide, "only one of the answers to a preflight and to the request itself has Access-Control-Allow-Credentials: true, so some requests with cookies fail; the policy allows no credentials")
		a.credentials = false
	}
	a.methods = p.names(pre, "access-control-allow-methods")
	a.headers = p.names(pre, "access-control-allow-headers")
	a.maxAge = p.maxAge(pre)
	a.private = p.isTrue(pre, "access-control-allow-private-network")
	p.tellEveryMethod(a.methods)
	a.methods.Items = slices.DeleteFunc(a.methods.Items, func(item source.Text) bool { return !p.answers(item) })
}

// tellEveryMethod tells of methods whose own answers lack the header, if preflights grant every method.
func (p page) tellEveryMethod(n source.Names) {
	isStar := func(item source.Text) bool { return item.Text == "*" }
	if !n.Echo && !slices.ContainsFunc(n.Items, isStar) {
		return
	}
	var lacking []string
	fidelity := source.Differs
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		x := p.ask(method)
		if p.verdict(x, p.origin) != denied {
			continue
		}
		lacking = append(lacking, method)
		if !x.isEnded() || x.status < 400 {
			fidelity = source.Widened
		}
	}
	if lacking != nil {
		p.findings.add(source.Finding{
			Fidelity: fidelity, Place: n.Place, Field: "Access-Control-Allow-Methods",
			Message: "the preflight's answer grants every method, and answers to " + strings.Join(lacking, " and ") + " get no Access-Control-Allow-Origin; corsgate adds it to every answer",
		})
	}
}

// answers reports whether a method that a preflight grants gets the header in its own answer,
// and tells if not.
func (p page) answers(item source.Text) bool {
	method := strings.ToUpper(item.Text)
	if method == "OPTIONS" || method == "*" || p.verdict(p.ask(method), p.origin) != denied {
		return true
	}
	fidelity := source.Dropped
	switch method {
	case "HEAD":
		fidelity = source.Differs
	case "GET", "POST":
		fidelity = source.Widened
	}
	p.findings.add(source.Finding{
		Fidelity: fidelity, Place: item.Place, Field: "Access-Control-Allow-Methods", Value: item.Text,
		Message: "the preflight's answer lists " + method + ", and the answer to " + method + " itself gets no Access-Control-Allow-Origin" + always(fidelity),
	})
	return false
}

// refusedPreflight tells of preflights whose answer lacks the header.
func (s *site) refusedPreflight(pre exchange) {
	f := source.Finding{
		Fidelity: source.Decide, Place: s.place(), Field: "Access-Control-Allow-Origin",
		Message: "the answer to a preflight does not get this header, so browsers refuse each request that needs one, and lists of methods and headers do nothing; the policy allows no more",
		Hint:    "add allowMethods and allowHeaders to the policy if such requests are meant to work",
	}
	if by := pre.refusal(); by != nil {
		f.Place, f.Field, f.Value = by.Place, by.name, strings.Join(by.args, " ")
		f.Message = "nginx answers preflights here without Access-Control-Allow-Origin: of several ifs that hold, only the last one's headers are sent. So browsers refuse each request that needs a preflight, and lists of methods and headers do nothing; the policy allows no more"
		if pre.status >= 400 {
			f.Message = fmt.Sprintf("nginx answers preflights with %d here, and without Access-Control-Allow-Origin. So browsers refuse each request that needs a preflight, and lists of methods and headers do nothing; the policy allows no more", pre.status)
		}
	}
	s.findings.add(f)
}

// always says what corsgate does with the methods that it always allows.
func always(fidelity source.Fidelity) string {
	if fidelity == source.Dropped {
		return ", so browsers refuse it: left out"
	}
	return "; corsgate always allows GET, HEAD and POST"
}

func (s *site) tellAt(x exchange, fidelity source.Fidelity, message string) {
	s.findings.add(source.Finding{Fidelity: fidelity, Place: x.place(), Field: "Access-Control-Allow-Origin", Message: message})
}

// someStatuses tells if only some statuses get the headers.
func (s *site) someStatuses(x exchange) {
	h := x.get(allowOrigin)
	switch {
	case len(h) == 0 || h[0].only == nil || s.conf.supposed:
	case slices.Equal(h[0].only, plain):
		s.tellAt(x, source.Differs, `without "always", nginx adds the header only to answers with the status 200, 201, 204, 206, 301, 302, 303, 304, 307 or 308; corsgate adds it to all, so that a page can read errors, too`)
	default:
		s.tellAt(x, source.Differs, fmt.Sprintf("nginx adds the header only to answers with the status %s; corsgate adds it to all", statusList(h[0].only)))
	}
}

func statusList(statuses []int) string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(statuses), "[]")), ", ")
}

// otherStatuses tells of directives that are about some statuses, and about the header.
func (s *site) otherStatuses(x exchange) {
	for _, d := range x.others {
		o := optionsOf(d)
		f := source.Finding{Fidelity: source.Decide, Place: d.Place, Field: d.name, Value: strings.Join(d.args, " ")}
		switch {
		case !o.clears:
			f.Message = "only answers with the status " + statusList(o.statuses) + " get this header, and a policy is for all answers: it is not imported"
		case x.has(o.statuses):
			f.Fidelity, f.Message = source.Narrowed, "answers with other statuses keep the header, and a policy is for all answers: it is left out"
		default:
			f.Fidelity, f.Message = source.Differs, "nginx removes the header from answers with the status "+statusList(o.statuses)+"; corsgate adds it to all"
		}
		s.findings.add(f)
	}
}

// verdict judges Access-Control-Allow-Origin as a browser does (Fetch, CORS check).
func (s *site) verdict(x exchange, origin string) verdict {
	found := x.get(allowOrigin)
	switch len(found) {
	case 0:
		return denied
	case 1:
	default:
		s.findings.add(source.Finding{
			Fidelity: source.Decide, Place: found[1].Place, Field: "Access-Control-Allow-Origin", Value: found[1].value.String(),
			Message: "nginx sends this header twice (see " + found[0].Place.String() + "), which browsers refuse: nothing is allowed today",
			Hint:    "remove one of the two, and import again",
		})
		return denied
	}
	h := found[0]
	text, isText := h.value.isLiteral()
	switch {
	case h.value.is(varOrigin):
		return reflected
	case isText && text == "*":
		return star
	case isText && text == origin:
		return reflected
	case isText:
		s.conf.seeOrigin(text, false, h.value.place(h.Place))
	case isOwn(h.value):
		s.findings.add(source.Finding{
			Fidelity: source.Dropped, Place: h.Place, Field: "Access-Control-Allow-Origin", Value: h.value.String(),
			Message: "this is the site's own origin, which needs no CORS: left out",
		})
	default:
		s.findings.add(source.Finding{
			Fidelity: source.Decide, Place: h.Place, Field: "Access-Control-Allow-Origin", Value: h.value.String(),
			Message: "the header " + h.value.dependsOn() + ": nothing is imported from it",
			Hint:    "write the origins into allowOrigins",
		})
	}
	return denied
}

// isOwn reports whether a value is the origin that was asked.
func isOwn(v value) bool {
	s := v.String()
	scheme, host, _ := strings.Cut(s, "://")
	return (scheme == "$scheme" || scheme == "http" || scheme == "https") && (host == "$host" || host == "$http_host" || host == "$server_name")
}

func (s *site) isTrue(x exchange, name string) bool {
	found := x.get(name)
	if len(found) != 1 {
		return false
	}
	text, isText := found[0].value.isLiteral()
	switch {
	case !isText:
		s.findings.add(source.Finding{
			Fidelity: source.Decide, Place: found[0].Place, Field: found[0].name, Value: found[0].value.String(),
			Message: "the header " + found[0].value.dependsOn() + ": taken for not true",
		})
	case strings.EqualFold(text, "true") && text != "true":
		s.findings.add(source.Finding{
			Fidelity: source.Kept, Place: found[0].Place, Field: found[0].name, Value: text,
			Message: `browsers take only "true", in lower case, for true: it does nothing`,
		})
	}
	return text == "true"
}

func (s *site) credentials(x exchange) bool {
	return s.isTrue(x, "access-control-allow-credentials")
}

// names reads a list of methods or of header names.
func (s *site) names(x exchange, name string) (n source.Names) {
	for _, h := range x.get(name) {
		n.Place = h.Place
		text, isText := h.value.isLiteral()
		switch {
		case isText:
			n.Items = append(n.Items, items(text, h.Place)...)
		case h.value.is(varRequestedHeaders), h.value.is(varRequestedMethod):
			n.Echo = true
		default:
			s.findings.add(source.Finding{
				Fidelity: source.Decide, Place: h.Place, Field: name, Value: h.value.String(),
				Message: "the list " + h.value.dependsOn() + ": left out",
			})
		}
	}
	return n
}

func items(text string, at source.Place) (found []source.Text) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			found = append(found, source.Text{Place: at, Text: item})
		}
	}
	return found
}

func (s *site) maxAge(x exchange) *source.MaxAge {
	found := x.get("access-control-max-age")
	if len(found) == 0 {
		return nil
	}
	text, _ := found[0].value.isLiteral()
	seconds, err := strconv.Atoi(text)
	if err != nil || len(found) > 1 {
		s.findings.add(source.Finding{
			Fidelity: source.Dropped, Place: found[0].Place, Field: "Access-Control-Max-Age", Value: found[0].value.String(),
			Message: "browsers read one number of seconds, and ignore this: left out",
		})
		return nil
	}
	return &source.MaxAge{Place: found[0].Place, Seconds: seconds}
}
