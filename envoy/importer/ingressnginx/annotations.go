package ingressnginx

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/prove"
)

// The annotations about CORS (annotations/cors/main.go).
const (
	enable      = "enable-cors"
	origin      = "cors-allow-origin"
	methods     = "cors-allow-methods"
	headers     = "cors-allow-headers"
	credentials = "cors-allow-credentials"
	expose      = "cors-expose-headers"
	maxAge      = "cors-max-age"
)

var known = []string{enable, origin, methods, headers, credentials, expose, maxAge}

// The defaults of ingress-nginx.
const (
	defaultMethods = "GET, PUT, POST, DELETE, PATCH, OPTIONS"
	defaultHeaders = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization"
	defaultMaxAge  = 1728000
)

// What ingress-nginx takes for valid. A value that is not is its default.
var (
	validOrigins = regexp.MustCompile(`^((((([a-z]+://)?(\*\.)?[A-Za-z0-9\-.]*(:\d+)?,?)|null)+)|\*)?$`)
	validOrigin  = regexp.MustCompile(`^([a-z]+://(\*\.)?[A-Za-z0-9\-.]*(:\d+)?|\*|null)?$`)
	validMethods = regexp.MustCompile(`^([A-Za-z]+,?\s?)+$`)
	validHeaders = regexp.MustCompile(`^[A-Za-z0-9-_, ]*$`)
	validExpose  = regexp.MustCompile(`^(([A-Za-z0-9\-\_]+|\*),?\s?)+$`)
)

// isValid does what ValidateRegex does.
func isValid(valid *regexp.Regexp, text string) bool {
	return valid.MatchString(strings.ReplaceAll(text, " ", "")) && !strings.ContainsAny(text, "\r\n")
}

// hasCORS reports whether any annotation looks as if it were about CORS.
func (i *ingress) hasCORS() bool {
	return slices.ContainsFunc(i.Annotations.Fields(), func(f tree.Field) bool {
		return strings.HasPrefix(f.Key.Text, prefix) && strings.Contains(strings.ToLower(f.Key.Text), "cors")
	})
}

// isForeign reports whether an annotation is one of another controller that is about CORS. A
// copy of the object that kubectl keeps is not.
func isForeign(f tree.Field) bool {
	return !strings.HasPrefix(f.Key.Text, prefix) && !strings.HasPrefix(f.Key.Text, "kubectl.kubernetes.io/") && isAboutCORS(f.String())
}

func hasForeign(annotations tree.Node) bool {
	return slices.ContainsFunc(annotations.Fields(), isForeign)
}

// foreign tells of snippets for other controllers: F5's nginx.org/location-snippets,
// haproxy.org/response-set-header.
func (r *reader) foreign(i *ingress) {
	for _, f := range i.Annotations.Fields() {
		if isForeign(f) {
			r.config.Findings = append(r.config.Findings, source.Finding{
				Fidelity: source.Decide, Place: f.Key.Place, Field: f.Key.Text,
				Message: "this annotation of another controller is about CORS, and is not read", Hint: "write what it adds to answers into a policy",
			})
		}
	}
}

// lookalikes tells of annotations that look like those about CORS and are not.
func (r *reader) lookalikes(i *ingress) {
	for _, f := range i.Annotations.Fields() {
		full := f.Key.Text
		name := strings.TrimPrefix(full, prefix)
		tell := func(message, hint string) {
			r.config.Findings = append(r.config.Findings, source.Finding{
				Fidelity: source.Decide, Place: f.Key.Place, Field: full, Value: f.String(), Message: message, Hint: hint,
			})
		}
		switch {
		case !strings.Contains(strings.ToLower(name), "cors"):
		case strings.HasPrefix(full, prefix) && !slices.Contains(known, name):
			tell("ingress-nginx has no such annotation: it does nothing", "the annotation that is meant may be "+prefix+closest(name))
		case !strings.HasPrefix(full, prefix) && slices.Contains(known, full[strings.LastIndexByte(full, '/')+1:]):
			tell("ingress-nginx reads only annotations that begin with "+prefix+": it does nothing", "write "+prefix+full[strings.LastIndexByte(full, '/')+1:])
		}
	}
}

// closest returns the annotation that shares most words with name.
func closest(name string) string {
	best, most := enable, -1
	for _, k := range known {
		shared := 0
		for word := range strings.SplitSeq(k, "-") {
			if strings.Contains(name, strings.TrimSuffix(word, "s")) {
				shared++
			}
		}
		if shared > most {
			best, most = k, shared
		}
	}
	return best
}

// cors reads the annotations of an Ingress as the controller does.
func (r *reader) cors(i *ingress) (*source.CORS, []source.Finding) {
	if !i.hasCORS() {
		return nil, nil
	}
	t := &translation{ingress: i, cors: &source.CORS{}}
	t.origins()
	t.cors.Methods = t.list(methods, validMethods, defaultMethods)
	t.cors.Headers = t.list(headers, validHeaders, defaultHeaders)
	t.cors.Expose = t.list(expose, validExpose, "")
	t.cors.Credentials = t.isTrue(credentials, true)
	t.maxAge()
	switch on := i.get(enable); {
	case t.isTrue(enable, false):
		t.tell(source.Differs, on, "ingress-nginx answers every OPTIONS request of an allowed origin; corsgate answers preflights, and other OPTIONS requests go to the application", "")
		if !t.everybody() {
			t.cors.ForwardsUnmatched = true
			t.tell(source.Differs, on, "ingress-nginx leaves the application's own CORS headers in answers to other origins; corsgate removes them", "")
		}
	case !on.Exists():
		t.off(source.Decide, i.Annotations, prefix+enable+" is missing, so CORS is off today: the policy is off, and has what the other annotations say",
			"remove the line with mode if CORS was meant to be on")
	case on.String() == "" || !isBool(on.String()):
		t.off(source.Decide, on, "this is neither true nor false, so CORS is off today: the policy is off", "remove the line with mode if CORS was meant to be on")
	default:
		t.off(source.Kept, on, "CORS is off: so is the policy", "")
	}
	return t.cors, t.findings
}

// translation reads the annotations of one Ingress.
type translation struct {
	*ingress
	cors     *source.CORS
	findings []source.Finding
}

func (t *translation) tell(f source.Fidelity, at tree.Node, message, hint string) {
	t.findings = append(t.findings, finding(f, at, message, hint))
}

// off switches the policy off. That the findings about single annotations ask for
// decisions is no matter then.
func (t *translation) off(f source.Fidelity, at tree.Node, message, hint string) {
	t.cors.Mode = policy.ModeOff
	t.tell(f, at, message, hint)
}

func isBool(text string) bool {
	_, err := strconv.ParseBool(text)
	return err == nil
}

func (t *translation) isTrue(name string, byDefault bool) bool {
	n := t.get(name)
	if on, err := strconv.ParseBool(n.String()); err == nil {
		return on
	}
	if name == enable {
		return byDefault
	}
	at := n
	message := "is not set: ingress-nginx sets it to true"
	if n.Exists() {
		message = "is neither true nor false: ingress-nginx takes it for true"
	} else {
		at = t.Annotations
	}
	t.tell(source.Default, at, name+" "+message, "")
	return byDefault
}

// list reads a list of methods or of header names.
func (t *translation) list(name string, valid *regexp.Regexp, byDefault string) source.Names {
	n := t.get(name)
	names := source.Names{Place: n.Place()}
	text := n.String()
	// The text is compared as it is, after the check that ignores blanks.
	ok := text != "" && isValid(valid, text) && valid.MatchString(text)
	if !ok {
		names.Default = byDefault != ""
		if n.Exists() && text != "" {
			t.tell(source.Decide, n, "ingress-nginx takes this for invalid, and silently uses its default: "+orNothing(byDefault), "list what is meant in the policy")
		} else {
			names.Place = t.Annotations.Place()
		}
		text = byDefault
	}
	for item := range strings.SplitSeq(text, ",") {
		// The text is sent as it is: for a browser, names with blanks between them are one, which is not a name.
		if item = strings.TrimSpace(item); item != "" {
			names.Items = append(names.Items, source.Text{Place: names.Place, Text: item})
		}
	}
	return names
}

func orNothing(list string) string {
	if list == "" {
		return "nothing"
	}
	return list
}

func (t *translation) maxAge() {
	n := t.get(maxAge)
	seconds, err := strconv.Atoi(n.String())
	switch {
	case err == nil:
		t.cors.MaxAge = &source.MaxAge{Place: n.Place(), Seconds: seconds}
		return
	case n.Exists():
		t.tell(source.Decide, n, "this is not a number of seconds: ingress-nginx silently uses its default, 1728000", "write the number that is meant into maxAge")
	}
	t.cors.MaxAge = &source.MaxAge{Place: t.Annotations.Place(), Seconds: defaultMaxAge, Default: true}
}

func (t *translation) everybody() bool {
	return slices.ContainsFunc(t.cors.Origins, func(o source.Origin) bool { return o.Any != source.NotAny })
}

// origins reads cors-allow-origin. If the controller falls back to "*", the policy has
// what was meant, and is off: nobody decided that everybody may read.
func (t *translation) origins() {
	n := t.get(origin)
	text := n.String()
	if text == "" {
		t.tell(source.Default, t.Annotations, origin+" is not set: ingress-nginx allows every origin", "")
		t.star(t.Annotations.Text())
		return
	}
	valid := isValid(validOrigins, text)
	var likely []source.Origin
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		at := source.Text{Place: n.Place(), Text: entry}
		switch {
		case entry == "":
		case entry == "*":
			t.star(at)
			return
		case validOrigin.MatchString(entry):
			t.entry(at, entry)
		default:
			likely = append(likely, t.invalid(at, valid)...)
		}
	}
	switch {
	case !valid && strings.Contains(text, "$"):
		t.tell(source.Decide, n, `a variable is invalid here, so that ingress-nginx silently uses its default "*": every site may read answers without cookies today, and with cookies none: so does the policy`, "list the origins that are meant")
		t.star(n.Text())
	case !valid:
		t.cors.Origins = append(t.cors.Origins, likely...)
		t.off(source.Decide, n, `an entry is invalid, so that ingress-nginx silently uses its default "*": every site may read answers without cookies today. The policy has what was likely meant, and is off. Controllers before v1.12 leave out only the invalid entry`,
			`remove the line with mode if the list is meant, or write allowOrigins: ["*"] without allowCredentials if everybody is`)
	case len(t.cors.Origins) == 0:
		t.cors.Origins = likely
		t.off(source.Decide, n, "ingress-nginx leaves out every entry of this list, and answers nobody: the policy has what was likely meant, and is off", "remove the line with mode if it is meant")
	}
}

// star replaces the list: the answer is "*", and nothing else counts.
func (t *translation) star(at source.Text) {
	t.cors.Origins = []source.Origin{{Text: source.Text{Place: at.Place, Text: "*"}, Any: source.Star}}
}

// invalid tells of an entry that the controller does not take, and returns what it was
// likely meant for.
func (t *translation) invalid(at source.Text, listed bool) (likely []source.Origin) {
	message := "ingress-nginx takes this entry for invalid"
	if listed {
		message += ", and leaves it out"
	}
	var meant []string
	for _, part := range policy.SplitList(at.Text) {
		if p := policy.MeantPattern(part); p != "" {
			meant = append(meant, strconv.Quote(p))
			likely = append(likely, source.Origin{Text: at, Regex: patternRegex(p), Meant: []string{p}})
		}
	}
	hint := ""
	if meant != nil {
		hint = "write " + strings.Join(meant, ", ") + " if that is meant"
	}
	t.findings = append(t.findings, source.Finding{Fidelity: source.Decide, Place: at.Place, Field: origin, Value: at.Text, Message: message, Hint: hint})
	return likely
}

// patternRegex is the regex of a pattern.
func patternRegex(pattern string) prove.Regex {
	expr := strings.Replace(regexp.QuoteMeta(pattern), `://\*\.`, `://(.+\.)`, 1)
	if host, every := strings.CutSuffix(expr, `:\*`); every {
		expr = host + `(:[0-9]+)?`
	}
	return prove.Regex{Expr: expr}
}

// entry adds an origin as nginx compares it (buildCorsOriginRegex): a star is one label, and
// the beginning is open.
func (t *translation) entry(at source.Text, entry string) {
	expr := "(" + strings.Replace(regexp.QuoteMeta(entry), `\*`, `[A-Za-z0-9\-]+`, 1) + ")$"
	o := source.Origin{Text: at, Regex: prove.Regex{Expr: expr, Mode: prove.Search, Fold: true}}
	if entry == "null" || strings.Contains(entry, "*") {
		o.Regex.Expr = "^" + expr
		t.findings = append(t.findings, source.Finding{
			Fidelity: source.Narrowed, Place: at.Place, Field: origin, Value: at.Text, Origin: longer(entry),
			Message: "ingress-nginx compares only the end of an origin; the policy compares all of it",
		})
	}
	switch {
	case entry == "null":
		o.Regex = prove.Literal(entry)
	case strings.Contains(entry, "*"):
		o.Meant = []string{entry}
	}
	t.cors.Origins = append(t.cors.Origins, o)
}

// longer is an origin that ends as an entry does.
func longer(entry string) string {
	if entry == "null" {
		return "https://null"
	}
	return "a" + strings.Replace(entry, "*", "a", 1)
}
