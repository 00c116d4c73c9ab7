package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// The fields of lists of names.
const (
	methodsField = "allowMethods"
	headersField = "allowHeaders"
	exposeField  = "exposeHeaders"
)

// names returns the texts of a list, each once. An item may be a list in one text, as it is
// in a header.
func names(n source.Names) (all []source.Text) {
	seen := map[string]bool{}
	for _, item := range n.Items {
		for name := range strings.SplitSeq(item.Text, ",") {
			name = strings.TrimSpace(name)
			if name != "" && !seen[name] {
				seen[name] = true
				all = append(all, source.Text{Place: item.Place, Text: name})
			}
		}
	}
	return all
}

// echoes writes "*" for a list that has whatever is asked for.
func (t *translation) echoes(n source.Names, field string, list *[]string) {
	*list = []string{"*"}
	if field == headersField && !t.spec.CORS.AllowCredentials {
		// Fetch, #cors-non-wildcard-request-header-name.
		*list = append(*list, "authorization")
	}
	t.tell(source.Equal, source.Text{Place: n.Place}, field, "the source grants whatever a preflight asks for: written as "+quoted(*list), "")
}

// tellList tells that a list is as it was, or that it is the system's default.
func (t *translation) tellList(n source.Names, field string, list []string) {
	switch {
	case len(list) == 0:
	case n.Default:
		t.tell(source.Default, source.Text{Place: n.Place}, field, "the source does not set it: its default is written out, "+strings.Join(list, ", "), "")
	default:
		t.tell(source.Kept, source.Text{Place: n.Place}, field, "", "")
	}
}

// dropped collects names that did nothing, and tells of them in one line.
type dropped struct{ texts []source.Text }

func (d *dropped) add(text source.Text) { d.texts = append(d.texts, text) }

func (t *translation) tellDropped(d dropped, field, reason string) {
	if len(d.texts) == 0 {
		return
	}
	words := make([]string, len(d.texts))
	for i, text := range d.texts {
		words[i] = text.Text
	}
	t.tell(source.Dropped, source.Text{Place: d.texts[0].Place, Text: strings.Join(words, ", ")}, field, reason, "")
}

// granted translates the lists of methods and of request headers. If one of them has what is not
// a name, a browser refuses the answer to every preflight (Fetch, #cors-preflight-fetch,
// step 7.3): then neither has anything.
func (t *translation) granted() {
	for _, list := range []struct {
		names source.Names
		field string
	}{{t.cors.Methods, methodsField}, {t.cors.Headers, headersField}} {
		all := names(list.names)
		if i := slices.IndexFunc(all, func(n source.Text) bool { return !policy.IsToken(n.Text) }); i >= 0 && !list.names.Echo {
			t.tell(source.Decide, all[i], list.field, "this is not a name, and with it browsers refuse the answer to every preflight: no methods and headers are allowed",
				"list in allowMethods and allowHeaders what was meant")
			return
		}
	}
	t.methods()
	t.headers()
}

// methods translates the list of methods.
func (t *translation) methods() {
	list := &t.spec.CORS.AllowMethods
	if t.cors.Methods.Echo {
		t.echoes(t.cors.Methods, methodsField, list)
		return
	}
	all := names(t.cors.Methods)
	star := slices.ContainsFunc(all, isStar)
	var options, covered dropped
	for _, m := range all {
		normal := policy.NormaliseMethod(m.Text)
		switch {
		case m.Text == "*":
			*list = append(*list, "*")
			t.starWithCredentials(m, methodsField)
		case normal == "OPTIONS":
			options.add(m)
		case m.Text != normal && !policy.IsForbiddenMethod(m.Text): // a policy may list those that no page can send
			// Fetch, #concept-method-normalize: browsers send the method in upper case.
			t.wrongCase(m, normal)
		case star:
			covered.add(m)
		default:
			*list = append(*list, m.Text)
		}
	}
	t.tellDropped(options, methodsField, "a policy need not list OPTIONS: preflights are answered without it")
	t.tellDropped(covered, methodsField, `"*" allows it already`)
	t.tellList(t.cors.Methods, methodsField, *list)
}

func isStar(t source.Text) bool { return t.Text == "*" }

// wrongCase tells of a method that never matches.
func (t *translation) wrongCase(m source.Text, normal string) {
	if policy.IsSafelistedMethod(normal) {
		t.tell(source.Dropped, m, methodsField, "it never matched: browsers send it in upper case, and do not look for it in this list", "")
		return
	}
	t.tell(source.Decide, m, methodsField, "it never matched, and is left out: browsers send this method in upper case", fmt.Sprintf("if it was meant to, add %s to allowMethods", normal))
}

// starWithCredentials tells of a "*" that the source sends as it is. For a request with
// credentials it is a name like others (Fetch, #http-new-header-syntax), and corsgate
// answers with the names that are asked for.
func (t *translation) starWithCredentials(at source.Text, field string) {
	if t.spec.CORS.AllowCredentials {
		t.tell(source.Widened, at, field, `the source sends "*", which stands for nothing if the request has credentials; corsgate grants the names that are asked for`, "list the names that are needed")
	}
}

// headers translates the list of request headers. A policy may list those that no page can
// set, as many systems' defaults do: they are kept as they are.
func (t *translation) headers() {
	list := &t.spec.CORS.AllowHeaders
	if t.cors.Headers.Echo {
		t.echoes(t.cors.Headers, headersField, list)
		return
	}
	all := names(t.cors.Headers)
	star := slices.ContainsFunc(all, isStar)
	var covered dropped
	seen := map[string]bool{}
	for _, h := range all {
		lower := strings.ToLower(h.Text)
		switch {
		case h.Text == "*":
			*list = append(*list, "*")
			t.starWithCredentials(h, headersField)
		case star && lower != "authorization":
			covered.add(h)
		case !seen[lower]:
			*list = append(*list, h.Text)
		}
		seen[lower] = true
	}
	if star && !seen["authorization"] && !t.spec.CORS.AllowCredentials {
		// Fetch, #cors-non-wildcard-request-header-name.
		t.tell(source.Differs, all[slices.IndexFunc(all, isStar)], headersField,
			`for browsers of today "*" allows the authorization header, too, though not by the standard; for corsgate it does not`, "add authorization if clients send tokens")
	}
	t.tellDropped(covered, headersField, `"*" allows it already`)
	t.tellList(t.cors.Headers, headersField, *list)
}

// expose translates the list of response headers.
func (t *translation) expose() {
	list := &t.spec.CORS.ExposeHeaders
	all := names(t.cors.Expose)
	star := slices.ContainsFunc(all, isStar)
	var never, covered dropped
	seen := map[string]bool{}
	for _, h := range all {
		lower := strings.ToLower(h.Text)
		switch {
		case h.Text == "*" && t.spec.CORS.AllowCredentials:
			// Fetch, #http-new-header-syntax: with credentials it is a header called "*".
			t.tell(source.Decide, h, exposeField, `"*" is left out: it exposes nothing to requests with credentials, and a policy has one answer for all requests`, "list the names that pages read")
		case h.Text != "*" && !isExposable(h.Text):
			never.add(h)
		case star && h.Text != "*" && !t.spec.CORS.AllowCredentials:
			covered.add(h)
		case !seen[lower]:
			*list = append(*list, h.Text)
		}
		seen[lower] = true
	}
	t.tellDropped(never, exposeField, "no page can read this from an answer")
	t.tellDropped(covered, exposeField, `"*" exposes it already`)
	t.tellList(t.cors.Expose, exposeField, *list)
}

// isExposable reports whether a policy may list the header.
func isExposable(name string) bool {
	age := policy.Spec{Name: "a", Mode: policy.ModeOff, CORS: policy.CORS{ExposeHeaders: []string{name}}}
	valid, _ := policy.Validate([]policy.Spec{age})
	return valid != nil
}

// maxSeconds is the largest number that every recipient can read (RFC 9111, section 1.2.2).
const maxSeconds = 1<<31 - 1

// maxAge translates how long a preflight's answer is kept.
func (t *translation) maxAge() {
	age := t.cors.MaxAge
	if age == nil {
		return
	}
	const field = "maxAge"
	seconds := min(max(age.Seconds, 0), maxSeconds)
	t.spec.CORS.MaxAge = &seconds
	at := source.Text{Place: age.Place, Text: fmt.Sprint(age.Seconds)}
	switch {
	case age.Default:
		t.tell(source.Default, at, field, "the source does not set it: its default is written out", "")
	case age.Seconds < 0:
		t.tell(source.Clamped, at, field, "an age is never negative: written as 0, which switches the cache off", "")
	case age.Seconds > maxSeconds:
		t.tell(source.Clamped, at, field, fmt.Sprintf("an age is at most %d", maxSeconds), "")
	default:
		t.tell(source.Kept, at, field, "", "")
	}
}
