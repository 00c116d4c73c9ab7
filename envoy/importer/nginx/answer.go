package nginx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
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
	// refuses says which requests nginx refuses by itself, and by what.
	refuses policy.DeniedRequests
	by      *directive
	// early says that only the preflight's answer has an Access-Control-Allow-Origin.
	early *source.Place
}

// key is equal for answers that a browser cannot tell apart.
func (a answer) key() string {
	if a.verdict == denied {
		return ""
	}
	k := fmt.Sprint("allowed ", a.credentials, texts(a.expose))
	if a.preflights {
		k += fmt.Sprint(" ", texts(a.methods), texts(a.headers), a.private)
		if a.maxAge != nil {
			k += strconv.Itoa(a.maxAge.Seconds)
		}
	}
	return k
}

func texts(n source.Names) string {
	var list []string
	for _, item := range n.Items {
		list = append(list, item.Text)
	}
	return fmt.Sprint(n.Echo, list)
}

// exchange is one request and what nginx does with it.
type exchange struct {
	*machine
	found []header
}

// site asks the questions about one location.
type site struct {
	conf             *config
	server, location *scope
	findings         *findings
}

func (s *site) ask(r request, choose func(condition) bool) exchange {
	m := &machine{conf: s.conf, request: r, choose: choose}
	m.run(s.server, s.location)
	return exchange{machine: m, found: m.headers()}
}

func (x exchange) get(name string) []header {
	return slices.DeleteFunc(slices.Clone(x.found), func(h header) bool { return h.name != name })
}

// answer asks what a browser would ask on behalf of a page of origin.
func (s *site) answer(origin string, choose func(condition) bool) answer {
	ask := func(method string, preflight bool) exchange {
		return s.ask(request{origin: origin, method: method, preflight: preflight}, choose)
	}
	get, pre := ask("GET", false), ask("OPTIONS", true)
	actual := get
	v := s.verdict(get, origin)
	if v == denied {
		if post := ask("POST", false); s.verdict(post, origin) != denied {
			actual, v = post, s.verdict(post, origin)
			s.tellAt(post, source.Widened, "GET and HEAD get no such header, and POST does: corsgate allows the three alike")
		}
	}
	a := answer{
		verdict: v, forwards: pre.stopped == nil, keepsUpstream: !actual.hidesUpstream(),
		ended: actual.stopped != nil, status: actual.status,
		refuses: refusalOf(func(method string) bool { return ask(method, false).refused() }),
	}
	if post := ask("POST", false); a.refuses != "" {
		a.by = post.stopped
	}
	preflight := s.verdict(pre, origin)
	a.preflights = preflight != denied && (pre.status == 0 || pre.status/100 == 2)
	if v == denied {
		if a.preflights {
			place := pre.get(allowOrigin)[0].Place
			a.early = &place
		}
		return a
	}
	// Fetch, CORS check: "*" does not do if credentials are included.
	credentials := s.credentials(actual)
	a.credentials, a.useless = credentials && v != star, credentials && v == star
	a.expose = s.names(actual, "access-control-expose-headers")
	s.always(actual)
	if plain := ask("OPTIONS", false); plain.stopped != nil && actual.stopped == nil && plain.status/100 == 2 {
		a.options = true
		s.findings.add(source.Finding{
			Fidelity: source.Differs, Place: plain.stopped.Place, Field: "return", Value: strings.Join(plain.stopped.args, " "),
			Message: "nginx answers every OPTIONS request here; corsgate answers preflights, and other OPTIONS requests go to the upstream",
		})
	}
	if !a.preflights {
		if preflight == denied {
			s.refusedPreflight(pre)
		} else {
			s.findings.add(source.Finding{
				Fidelity: source.Kept, Place: pre.stopped.Place, Field: pre.stopped.name, Value: strings.Join(pre.stopped.args, " "),
				Message: fmt.Sprintf("nginx answers preflights with %d, so browsers refuse each request that needs one; the policy allows no more", pre.status),
			})
		}
		return a
	}
	if a.forwards && !s.conf.supposed {
		s.findings.add(source.Finding{
			Fidelity: source.Differs, Place: pre.get(allowOrigin)[0].Place, Field: "Access-Control-Allow-Origin",
			Message: "nginx sends preflights to the upstream, whose status decides; corsgate answers those of allowed origins itself",
		})
	}
	if (s.credentials(pre) && preflight != star) != a.credentials {
		s.tellAt(actual, source.Decide, "only one of the answers to a preflight and to the request itself has Access-Control-Allow-Credentials: true, so some requests with cookies fail; the policy allows no credentials")
		a.credentials = false
	}
	a.methods = s.names(pre, "access-control-allow-methods")
	a.headers = s.names(pre, "access-control-allow-headers")
	a.maxAge = s.maxAge(pre)
	a.private = s.isTrue(pre, "access-control-allow-private-network")
	a.methods.Items = slices.DeleteFunc(a.methods.Items, func(item source.Text) bool {
		method := strings.ToUpper(item.Text)
		if method == "OPTIONS" || method == "*" || s.verdict(ask(method, false), origin) != denied {
			return false
		}
		fidelity := source.Dropped
		switch method {
		case "HEAD":
			fidelity = source.Differs
		case "GET", "POST":
			fidelity = source.Widened
		}
		s.findings.add(source.Finding{
			Fidelity: fidelity, Place: item.Place, Field: "Access-Control-Allow-Methods", Value: item.Text,
			Message: "the preflight's answer lists " + method + ", and the answer to " + method + " itself gets no Access-Control-Allow-Origin" + always(fidelity),
		})
		return true
	})
	return a
}

// refused reports whether nginx refuses the request by itself.
func (x exchange) refused() bool { return x.stopped != nil && x.status >= 400 }

// refusedPreflight tells of preflights whose answer lacks the header.
func (s *site) refusedPreflight(pre exchange) {
	f := source.Finding{
		Fidelity: source.Decide, Place: s.place(), Field: "Access-Control-Allow-Origin",
		Message: "the answer to a preflight does not get this header, so browsers refuse each request that needs one, and lists of methods and headers do nothing; the policy allows no more",
		Hint:    "add allowMethods and allowHeaders to the policy if such requests are meant to work",
	}
	if pre.stopped != nil {
		f.Place, f.Field, f.Value = pre.stopped.Place, pre.stopped.name, strings.Join(pre.stopped.args, " ")
		f.Message = "nginx answers preflights here without Access-Control-Allow-Origin: of several ifs that hold, only the last one's headers are sent. So browsers refuse each request that needs a preflight, and lists of methods and headers do nothing; the policy allows no more"
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
	f := source.Finding{Fidelity: fidelity, Field: "Access-Control-Allow-Origin", Message: message}
	if h := x.get(allowOrigin); len(h) > 0 {
		f.Place = h[0].Place
	}
	s.findings.add(f)
}

// always tells if only some statuses get the headers.
func (s *site) always(x exchange) {
	h := x.get(allowOrigin)
	if len(h) == 0 || h[0].always || s.conf.supposed {
		return
	}
	s.tellAt(x, source.Differs, `without "always", nginx adds the header only to answers with the status 200, 201, 204, 206, 301, 302, 303, 304, 307 or 308; corsgate adds it to all, so that a page can read errors, too`)
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
			Message: "the header depends on $" + h.value.unknown() + ", whose values are not in the input: nothing is imported from it",
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
			Message: "the header depends on $" + found[0].value.unknown() + ", whose values are not in the input: taken for not true",
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
			for item := range strings.SplitSeq(text, ",") {
				if item = strings.TrimSpace(item); item != "" {
					n.Items = append(n.Items, source.Text{Place: h.Place, Text: item})
				}
			}
		case h.value.is(varRequestedHeaders), h.value.is(varRequestedMethod):
			n.Echo = true
		default:
			s.findings.add(source.Finding{
				Fidelity: source.Decide, Place: h.Place, Field: name, Value: h.value.String(),
				Message: "the list depends on $" + h.value.unknown() + ", whose values are not in the input: left out",
			})
		}
	}
	return n
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
