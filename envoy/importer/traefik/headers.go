package traefik

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/prove"
)

// settings are the fields of a headers middleware by their name in lower case. Those of
// customResponseHeaders have that before a dot.
type settings map[string][]source.Text

// The fields about CORS, in lower case.
const (
	originList      = "accesscontrolalloworiginlist"
	originRegexes   = "accesscontrolalloworiginlistregex"
	singleOrigin    = "accesscontrolalloworigin"
	methodsField    = "accesscontrolallowmethods"
	headersField    = "accesscontrolallowheaders"
	exposeField     = "accesscontrolexposeheaders"
	credentials     = "accesscontrolallowcredentials"
	maxAge          = "accesscontrolmaxage"
	vary            = "addvaryheader"
	custom          = "customresponseheaders"
	customCORS      = custom + ".access-control-"
	customOrigin    = customCORS + "allow-origin"
	fixedInVersions = "v3.6.22 and v3.7.6"
)

// written has the fields as Traefik's documentation writes them.
var written = map[string]string{
	originList: "accessControlAllowOriginList", originRegexes: "accessControlAllowOriginListRegex", singleOrigin: "accessControlAllowOrigin",
	methodsField: "accessControlAllowMethods", headersField: "accessControlAllowHeaders", exposeField: "accessControlExposeHeaders",
	credentials: "accessControlAllowCredentials", maxAge: "accessControlMaxAge", vary: "addVaryHeader",
}

var known = []string{originList, originRegexes, singleOrigin, methodsField, headersField, exposeField, credentials, maxAge, vary}

// hasCORS reports whether n is the headers of a middleware, and they have to do with CORS.
func hasCORS(n tree.Node) bool {
	return slices.ContainsFunc(n.Fields(), func(f tree.Field) bool {
		key := strings.ToLower(f.Key.Text)
		return strings.HasPrefix(key, "accesscontrol") ||
			key == custom && slices.ContainsFunc(f.Fields(), func(h tree.Field) bool { return isCORSHeader(h.Key.Text) })
	})
}

func isCORSHeader(name string) bool {
	return policy.IsCORSHeader(strings.ToLower(name))
}

// settingsOf reads the fields of a mapping.
func settingsOf(n tree.Node) settings {
	s := settings{}
	for _, f := range n.Fields() {
		key := strings.ToLower(f.Key.Text)
		if key == custom {
			for _, h := range f.Fields() {
				s[custom+"."+strings.ToLower(h.Key.Text)] = []source.Text{h.Text()}
			}
			continue
		}
		s[key] = []source.Text{}
		for _, item := range f.Items() {
			s[key] = append(s[key], item.Text())
		}
		if f.IsText() {
			s[key] = append(s[key], f.Text())
		}
	}
	return s
}

// translation makes what a middleware does of its settings.
type translation struct {
	settings
	cors     *source.CORS
	findings []source.Finding
}

func (t *translation) tell(f source.Fidelity, field string, at source.Text, message, hint string) {
	if rest, isCustom := strings.CutPrefix(field, custom); isCustom {
		field = "customResponseHeaders" + rest
	}
	field = cmp.Or(written[field], field)
	t.findings = append(t.findings, source.Finding{Fidelity: f, Place: at.Place, Field: field, Value: at.Text, Message: message, Hint: hint})
}

// first returns the first text of a field.
func (s settings) first(field string) (text source.Text) {
	if len(s[field]) > 0 {
		text = s[field][0]
	}
	return text
}

// cors returns what a middleware does (middlewares/headers/header.go).
func (m *middleware) cors() (*source.CORS, []source.Finding) {
	t := &translation{settings: m.headers, cors: &source.CORS{}}
	t.unknown()
	if t.answersPreflights() {
		t.fields()
	} else {
		t.customOnly()
	}
	if len(t.cors.Origins) == 0 {
		t.tell(source.Decide, originList, source.Text{Place: m.place}, "the middleware allows no origin, so it answers nobody: there is no policy for it", "list the origins that are meant")
		return nil, t.findings
	}
	return t.cors, t.findings
}

// unknown tells of fields that look like those about CORS.
func (t *translation) unknown() {
	for _, field := range t.sorted() {
		if strings.HasPrefix(field, "accesscontrol") && !slices.Contains(known, field) || strings.HasPrefix(field, "cors") {
			t.tell(source.Decide, field, t.first(field), "Traefik has no such field: it does nothing", "")
		}
	}
}

func (t *translation) sorted() (fields []string) {
	for field := range t.settings {
		fields = append(fields, field)
	}
	slices.SortFunc(fields, func(a, b string) int { return t.first(a).Line - t.first(b).Line })
	return fields
}

// answersPreflights is HasCorsHeadersDefined.
func (t *translation) answersPreflights() bool {
	return slices.ContainsFunc(known, func(field string) bool { return len(t.settings[field]) > 0 && t.first(field).Text != "false" })
}

func (t *translation) fields() {
	t.cors.Credentials = isTrue(t.first(credentials))
	t.origins()
	t.cors.Methods = t.list(methodsField)
	t.cors.Headers = t.list(headersField)
	t.cors.Expose = t.list(exposeField)
	if at := t.first(maxAge); at.Text != "" {
		seconds, err := strconv.Atoi(at.Text)
		if err != nil {
			t.tell(source.Decide, maxAge, at, "this is not a number of seconds: left out", "")
		} else {
			t.cors.MaxAge = &source.MaxAge{Place: at.Place, Seconds: seconds}
		}
	}
	for _, field := range t.sorted() {
		if strings.HasPrefix(field, customCORS) {
			t.tell(source.Decide, field, t.first(field), "the middleware sets this header besides, with or without a fitting origin: the policy does not",
				"remove it, or write a policy that has what it is for")
		}
	}
	if !t.everybody() {
		field := t.where()
		t.tell(source.Differs, field, t.first(field), "Traefik leaves the application's own CORS headers in answers to other origins; corsgate removes them", "")
	}
}

func isTrue(at source.Text) bool {
	yes, err := strconv.ParseBool(at.Text)
	return err == nil && yes
}

func (t *translation) everybody() bool {
	return slices.ContainsFunc(t.cors.Origins, func(o source.Origin) bool { return o.Any != source.NotAny })
}

// where is the field that lists the origins.
func (t *translation) where() string {
	if len(t.settings[originList]) == 0 && len(t.settings[originRegexes]) > 0 {
		return originRegexes
	}
	return originList
}

func (t *translation) origins() {
	for _, at := range t.settings[originList] {
		if at.Text == "*" {
			t.star(at)
			return
		}
		t.cors.Origins = append(t.cors.Origins, source.Origin{Text: at, Regex: prove.Literal(at.Text)})
	}
	for _, at := range t.settings[originRegexes] {
		t.cors.Origins = append(t.cors.Origins, source.Origin{Text: at, Regex: prove.Regex{Expr: at.Text, Mode: prove.Search}})
	}
	if at := t.first(singleOrigin); at.Text != "" {
		t.single(at)
	}
}

// star is an entry that stands for everybody.
func (t *translation) star(at source.Text) {
	t.cors.Origins = []source.Origin{{Text: at, Any: source.Star}}
	if t.cors.Credentials {
		t.tell(source.Differs, originList, at, `up to `+fixedInVersions+` Traefik answers "*", with which browsers take no credentials. Since then it names the origin instead, so that every site may use its visitors' credentials: the policy is as before`, "list the origins that need credentials")
	}
}

// single reads a field of v2.0 and v2.1.
func (t *translation) single(at source.Text) {
	t.tell(source.Decide, singleOrigin, at, "Traefik has this field no longer since v3: read as v2 did", "use accessControlAllowOriginList")
	switch at.Text {
	case "*":
		t.star(at)
	case "origin-list-or-null":
		t.cors.Origins = append(t.cors.Origins, source.Origin{Text: at, Any: source.Reflected})
	default:
		t.cors.Origins = append(t.cors.Origins, source.Origin{Text: at, Regex: prove.Literal(at.Text)})
	}
}

func (t *translation) list(field string) source.Names {
	n := source.Names{Items: t.settings[field]}
	if len(n.Items) > 0 {
		n.Place = n.Items[0].Place
	}
	if t.cors.Credentials && slices.ContainsFunc(n.Items, func(item source.Text) bool { return item.Text == "*" }) {
		t.tell(source.Differs, field, n.Items[0], `"*" is literal with credentials: up to `+fixedInVersions+" Traefik sends it as it is, and for requests with credentials browsers take it for a name; since then Traefik grants what is asked for", "")
	}
	return n
}

// customOnly is for a middleware that sets the headers as texts. Preflights go to the
// application, whose answers get them as well.
func (t *translation) customOnly() {
	origin := t.first(customOrigin)
	switch origin.Text {
	case "":
		if _, clears := t.settings[customOrigin]; clears {
			t.tell(source.Decide, customOrigin, origin, "this removes the application's own header, so that no other site may read: there is no policy for it", "")
		}
		return
	case "*":
		t.cors.Origins = []source.Origin{{Text: origin, Any: source.Star}}
	default:
		t.cors.Origins = []source.Origin{{Text: origin, Regex: prove.Literal(origin.Text)}}
	}
	t.tell(source.Differs, customOrigin, origin, "Traefik sends preflights to the application, whose status decides; corsgate answers those of allowed origins itself", "")
	t.cors.Credentials = t.first(customCORS+"allow-credentials").Text == "true"
	t.cors.Methods = t.csv(customCORS + "allow-methods")
	t.cors.Headers = t.csv(customCORS + "allow-headers")
	t.cors.Expose = t.csv(customCORS + "expose-headers")
	if at := t.first(customCORS + "max-age"); at.Text != "" {
		if seconds, err := strconv.Atoi(at.Text); err == nil {
			t.cors.MaxAge = &source.MaxAge{Place: at.Place, Seconds: seconds}
		} else {
			t.tell(source.Dropped, customCORS+"max-age", at, "browsers read one number of seconds, and ignore this: left out", "")
		}
	}
	for _, field := range t.sorted() {
		if rest, ours := strings.CutPrefix(field, customCORS); ours && !slices.Contains([]string{"allow-origin", "allow-credentials", "allow-methods", "allow-headers", "expose-headers", "max-age"}, rest) {
			t.tell(source.Dropped, field, t.first(field), "a policy does not set this header: left out", "")
		}
	}
}

func (t *translation) csv(field string) (n source.Names) {
	at := t.first(field)
	n.Place = at.Place
	for _, text := range splitList(at.Text) {
		n.Items = append(n.Items, source.Text{Place: at.Place, Text: text})
	}
	return n
}
