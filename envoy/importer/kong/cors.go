package kong

import (
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/prove"
)

// methods are those of a plugin that lists none (schema.lua).
var methods = []string{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"}

// read returns what a plugin's config does.
func read(n tree.Node, report *fields.Report) *source.CORS {
	report.Known(n, "origins", "methods", "headers", "exposed_headers", "max_age", "credentials", "private_network", "preflight_continue", "allow_origin_absent")
	cors := &source.CORS{
		Credentials:       report.Bool(n.Field("credentials")),
		Expose:            report.Names(n.Field("exposed_headers")),
		MaxAge:            report.MaxAge(n.Field("max_age"), fields.Seconds),
		PrivateNetwork:    report.Bool(n.Field("private_network")),
		ForwardsUnmatched: report.Bool(n.Field("preflight_continue")),
		KeepsUpstream:     true,
	}
	if cors.ForwardsUnmatched {
		report.Tell(source.Decide, n.Field("preflight_continue"), "Kong sends every preflight to the application; corsgate answers those that it allows", "see whether the application allows more, and list it")
	}
	cors.Methods = report.Names(n.Field("methods"))
	if !n.Field("methods").Exists() {
		cors.Methods = defaultMethods(n)
	}
	// Without a list, it grants what a preflight asks for (CorsHandler:access).
	cors.Headers = report.Names(n.Field("headers"))
	if len(cors.Headers.Items) == 0 {
		cors.Headers = source.Names{Place: n.Place(), Echo: true, Default: true}
	}
	cors.Origins = origins(n, cors.Credentials, report)
	return cors
}

func defaultMethods(n tree.Node) source.Names {
	names := source.Names{Place: n.Place(), Default: true}
	for _, m := range methods {
		names.Items = append(names.Items, source.Text{Place: n.Place(), Text: m})
	}
	return names
}

// origins reads the list of origins (configure_origin). A star among them is for every
// origin, and so is no list. With credentials, the answer names the origin
// (configure_credentials).
func origins(n tree.Node, credentials bool, report *fields.Report) []source.Origin {
	texts := report.Texts(n.Field("origins"))
	if len(texts) == 0 {
		report.Tell(source.Default, n, `origins is not set, and Kong's default is every origin: written as "*"`, "")
		texts = []source.Text{{Place: n.Place(), Text: "*"}}
	}
	var all []source.Origin
	for _, text := range texts {
		o := origin(text, len(texts) == 1, report)
		if o.Any != source.NotAny && !credentials {
			o.Any = source.Star
		}
		all = append(all, o)
	}
	return all
}

// plain is an entry that is not a regex.
var plain = regexp.MustCompile(`^[A-Za-z0-9.:/-]+$`)

// origin reads an entry. One that is alone and plain is sent as it is, whoever asks, so that
// a browser accepts it for just that origin. Beside others it is compared without its path
// and its default port.
func origin(text source.Text, alone bool, report *fields.Report) source.Origin {
	o := source.Origin{Text: text}
	switch {
	case text.Text == "*":
		o.Any = source.Reflected
	case !plain.MatchString(text.Text):
		regex(&o, report)
	case alone:
		o.Regex, o.Meant = prove.Literal(text.Text), fields.Meant(text.Text)
	default:
		o.Regex, o.Meant = prove.Literal(normal(text.Text)), fields.Meant(text.Text)
	}
	return o
}

// normal is a plain entry as it is compared (normalize_origin, after LuaSocket's url.parse).
// What has no host is compared as it is.
func normal(entry string) string {
	scheme, rest, _ := strings.Cut(entry, ":")
	authority, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return entry
	}
	authority, _, _ = strings.Cut(authority, "/")
	if host, port, found := strings.Cut(authority, ":"); found && (scheme == "http" && port == "80" || scheme == "https" && port == "443") {
		authority = host
	}
	return scheme + "://" + authority
}

// everybody are regexes that match every text.
var everybody = regexp.MustCompile(`^\^?\(?\.[*+]\)?\$?$`)

// regex reads an entry that is a regex: from the beginning on, and with a "$" at its end.
// Without a colon it is for the host alone.
func regex(o *source.Origin, report *fields.Report) {
	expr := o.Text.Text
	if everybody.MatchString(expr) {
		o.Any = source.Reflected
		return
	}
	if !strings.HasSuffix(expr, "$") {
		expr += "$"
	}
	if !strings.Contains(expr, ":") {
		expr = ofHost(expr)
	}
	o.Regex = prove.Regex{Expr: expr, Mode: prove.Prefix}
	re, err := o.Regex.Compile()
	if err != nil {
		report.TellText(source.Differs, o.Text, "origins", "Kong takes this for a PCRE regex, and refuses the plugin if it is not one", "")
		o.Meant = fields.Meant(o.Text.Text)
		return
	}
	if p, err := policy.ParsePattern(o.Text.Text); err == nil && p.Form != policy.FormExact {
		o.Meant = []string{o.Text.Text}
		if glued := strings.Replace(o.Text.Text, "*.", "x", 1); re.MatchString(glued) {
			report.TellText(source.Decide, o.Text, "origins", "Kong takes this for a regex, whose star repeats the character before it: it matches "+glued+", and no host below", "")
		}
	}
}

// ofHost returns a regex for the origins whose host a regex matches from its beginning on.
func ofHost(expr string) string {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return expr
	}
	atBeginning(tree)
	withinHost(tree)
	return `[a-zA-Z][a-zA-Z0-9+.\-]*://(?:` + tree.String() + `)`
}

// atBeginning removes what matches the beginning of the text where the tree begins: that is
// the beginning of the host.
func atBeginning(tree *syntax.Regexp) {
	switch tree.Op {
	case syntax.OpBeginText, syntax.OpBeginLine:
		*tree = syntax.Regexp{Op: syntax.OpEmptyMatch}
	case syntax.OpConcat, syntax.OpCapture:
		atBeginning(tree.Sub[0])
	case syntax.OpAlternate:
		for _, sub := range tree.Sub {
			atBeginning(sub)
		}
	}
}

// withinHost has the end of the text be the end of the host, before a port, and no other
// part match a colon.
func withinHost(tree *syntax.Regexp) {
	switch tree.Op {
	case syntax.OpEndText, syntax.OpEndLine:
		end, _ := syntax.Parse(`(?::[0-9]+)?$`, syntax.Perl)
		*tree = *end
		return
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		*tree = syntax.Regexp{Op: syntax.OpCharClass, Rune: []rune{0, ':' - 1, ':' + 1, 0x10ffff}}
	case syntax.OpCharClass:
		tree.Rune = withoutColon(tree.Rune)
	}
	for _, sub := range tree.Sub {
		withinHost(sub)
	}
}

// withoutColon returns the ranges of a class without the colon.
func withoutColon(ranges []rune) []rune {
	var all []rune
	for i := 0; i+1 < len(ranges); i += 2 {
		low, high := ranges[i], ranges[i+1]
		if low > ':' || high < ':' {
			all = append(all, low, high)
			continue
		}
		if low < ':' {
			all = append(all, low, ':'-1)
		}
		if high > ':' {
			all = append(all, ':'+1, high)
		}
	}
	return all
}
