package envoyimport

import (
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy"
)

// The fields of a CorsPolicy. Those of the API v2 are no longer read by Envoy.
var (
	corsFields = []string{
		"allow_origin_string_match", "allow_methods", "allow_headers", "expose_headers", "max_age", "allow_credentials",
		"filter_enabled", "shadow_enabled", "allow_private_network_access", "forward_not_matching_preflights",
	}
	corsFieldsV2 = []string{"allow_origin", "allow_origin_regex", "enabled"}
)

// isCORS reports whether n is a CorsPolicy by its fields.
func isCORS(n tree.Node) bool {
	for _, name := range []string{"allow_origin_string_match", "allow_origin", "allow_origin_regex"} {
		if n.Field(name).Exists() {
			return true
		}
	}
	return n.Field("allowOriginStringMatch").Exists() || n.Field("allow_methods").IsText() || typeOf(n) == "CorsPolicy"
}

// policies are the CorsPolicies of a request, the most specific one first. Each field is
// that of the first one that sets it (CorsFilter in cors_filter.cc).
type policies []tree.Node

// first returns the first field of that name which is set. Envoy cannot tell an empty text
// or list from none.
func (ps policies) first(name string) tree.Node {
	for _, p := range ps {
		f := p.Proto(name)
		if f.String() != "" || f.IsMapping() || len(f.Items()) > 0 {
			return f
		}
	}
	return tree.Node{}
}

// flag is first for a BoolValue, which Envoy reads from {value: true}, too.
func (ps policies) flag(name string, otherwise bool) bool {
	f := ps.first(name)
	if f.IsMapping() {
		f = f.Field("value")
	}
	if !f.Exists() {
		return otherwise
	}
	return f.True()
}

// listing returns the first policy that lists origins, if only such as cannot be read: Envoy
// asks no other one for them (CorsFilter in cors_filter.cc).
func (ps policies) listing() tree.Node {
	for _, p := range ps {
		for _, name := range []string{"allow_origin_string_match", "allow_origin", "allow_origin_regex"} {
			if len(p.Proto(name).Entries()) > 0 {
				return p
			}
		}
	}
	return tree.Node{}
}

// effective returns what the filter answers.
func (ps policies) effective() *source.CORS {
	return &source.CORS{
		Origins:           originsOf(ps.listing()),
		Methods:           namesOf(ps.first("allow_methods"), true),
		Headers:           namesOf(ps.first("allow_headers"), true),
		Expose:            namesOf(ps.first("expose_headers"), false),
		Credentials:       ps.flag("allow_credentials", false),
		MaxAge:            maxAge(ps.first("max_age")),
		ForwardsUnmatched: ps.flag("forward_not_matching_preflights", true),
		PrivateNetwork:    ps.flag("allow_private_network_access", false),
		Mode:              ps[0:1].mode(),
	}
}

// mode is how the most specific policy acts: Envoy asks no other one.
func (ps policies) mode() policy.Mode {
	enabled, shadow := ps[0].Proto("filter_enabled"), ps[0].Proto("shadow_enabled")
	switch v2 := ps[0].Proto("enabled"); {
	case v2.Exists() && !v2.True():
		return policy.ModeOff
	case !enabled.Exists() || fraction(enabled) >= 1:
		return ""
	case fraction(enabled) > 0 || shadow.Exists() && fraction(shadow) > 0:
		return policy.ModeShadow
	}
	return policy.ModeOff
}

// fraction returns the part of the requests that a RuntimeFractionalPercent stands for.
func fraction(n tree.Node) float64 {
	value := n.Proto("default_value")
	numerator, err := strconv.ParseFloat(value.Field("numerator").String(), 64)
	if err != nil {
		return 0
	}
	switch value.Field("denominator").String() {
	case "TEN_THOUSAND", "1":
		return numerator / 10_000
	case "MILLION", "2":
		return numerator / 1_000_000
	}
	return numerator / 100
}

// originsOf returns the origins that a CorsPolicy lists.
func originsOf(p tree.Node) []source.Origin {
	var list []source.Origin
	for _, n := range p.Proto("allow_origin_string_match").Entries() {
		if o, ok := originOf(n); ok {
			list = append(list, o)
		}
	}
	for _, n := range p.Proto("allow_origin").Entries() {
		list = append(list, source.EnvoyOrigin(n.Text(), source.EnvoyExact))
	}
	for _, n := range p.Proto("allow_origin_regex").Entries() {
		list = append(list, source.EnvoyOrigin(n.Text(), source.EnvoyRegex))
	}
	return list
}

// matchers are the fields of a StringMatcher that compare a text.
var matchers = []struct {
	name string
	kind source.EnvoyMatch
}{
	{"exact", source.EnvoyExact},
	{"prefix", source.EnvoyPrefix},
	{"suffix", source.EnvoySuffix},
	{"contains", source.EnvoyContains},
	{"regex", source.EnvoyRegex},
}

// originOf reads a StringMatcher. A text alone, which Envoy refuses, is read as an exact one.
func originOf(n tree.Node) (o source.Origin, ok bool) {
	if n.IsText() {
		return source.EnvoyOrigin(n.Text(), source.EnvoyExact), true
	}
	if regex := n.Proto("safe_regex", "regex"); regex.IsText() {
		return source.EnvoyOrigin(regex.Text(), source.EnvoyRegex), true
	}
	for _, m := range matchers {
		text := n.Field(m.name)
		if !text.IsText() {
			continue
		}
		o := source.EnvoyOrigin(text.Text(), m.kind)
		o.Regex.Fold = m.kind != source.EnvoyRegex && n.Proto("ignore_case").True()
		return o, true
	}
	return source.Origin{}, false
}

// namesOf reads a text that lists names. Envoy sends it as it is, except for a lone "*":
// to that, it grants what a preflight asks for, if echoes.
func namesOf(n tree.Node, echoes bool) source.Names {
	names := source.Names{Place: n.Place(), Echo: echoes && n.String() == "*"}
	for _, text := range namesIn(n) {
		if !names.Echo {
			names.Items = append(names.Items, text)
		}
	}
	return names
}

// namesIn returns the names of a text, or of a list, which Envoy refuses.
func namesIn(n tree.Node) []source.Text {
	var names []source.Text
	for _, item := range n.Entries() {
		for name := range strings.SplitSeq(item.String(), ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, source.Text{Place: item.Place(), Text: name})
			}
		}
	}
	return names
}

// maxAge returns nil for what is no number of seconds: browsers read it as if it were not
// there (Fetch, #cors-preflight-fetch).
func maxAge(n tree.Node) *source.MaxAge {
	text := strings.TrimSpace(n.String())
	seconds, _ := strconv.Atoi(text) // of more digits than an int has, the largest int
	if !isDigits(text) {
		return nil
	}
	return &source.MaxAge{Place: n.Place(), Seconds: seconds}
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}
