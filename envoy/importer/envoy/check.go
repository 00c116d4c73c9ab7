package envoyimport

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/prove"
)

// check returns what is to be told of a CorsPolicy by itself.
func check(p tree.Node) []source.Finding {
	c := &checker{}
	for _, f := range p.ProtoOthers(append(corsFieldsV2, corsFields...)...) {
		c.tell(source.Decide, f.Node, "is not a field of Envoy's CorsPolicy: it is not read", "")
	}
	for _, name := range corsFieldsV2 {
		if f := p.Proto(name); f.Exists() {
			c.tell(source.Differs, f, "is a field of Envoy's API v2, which Envoy no longer loads: it is read as it was meant there", "")
		}
	}
	for _, n := range p.Proto("allow_origin_string_match").Entries() {
		c.origin(n)
	}
	for _, name := range []string{"allow_methods", "allow_headers", "expose_headers", "max_age"} {
		c.text(p.Proto(name))
	}
	c.maxAge(p.Proto("max_age"))
	c.enabled(p)
	return c.findings
}

// Misspelt tells of fields of n that look like its field about CORS, and are not.
func Misspelt(n tree.Node, names ...string) []source.Finding {
	c := &checker{}
	for _, f := range n.Fields() {
		if strings.Contains(strings.ToLower(f.Key.Text), "cors") && !slices.Contains(names, f.Key.Text) {
			c.tell(source.Decide, f.Node, "there is no such field: it does nothing, and is not read", "name it "+names[0]+" if a policy was meant")
		}
	}
	return c.findings
}

// checker collects findings.
type checker struct{ findings []source.Finding }

func (c *checker) tell(f source.Fidelity, n tree.Node, message, hint string) {
	c.findings = append(c.findings, n.Finding(f, message, hint))
}

// text says if Envoy refuses what is not a text, or sends what breaks an answer.
func (c *checker) text(n tree.Node) {
	switch {
	case !n.Exists():
	case !n.IsQuoted():
		c.tell(source.Differs, n, "Envoy does not load this: it wants a text; it is read as it was meant", "for Envoy, put it in quotes, with commas")
	case strings.ContainsAny(n.String(), "\r\n"):
		c.tell(source.Differs, n, "Envoy sends the line break of this text in a header, which breaks the answer; it is read as a blank", "for Envoy, fold the text with >-")
	}
}

func (c *checker) origin(n tree.Node) {
	o, ok := originOf(n)
	if f, told := Everybody(o); told {
		c.findings = append(c.findings, f)
	}
	switch {
	case !ok:
		c.tell(source.Decide, n, "this matcher cannot be read: what it allows is left out", "list its origins in the policy's allowOrigins")
	case n.IsText():
		c.tell(source.Differs, n, "Envoy does not load a text here; it is read as an exact origin", "")
	case n.Field("prefix").IsText() && n.Field("prefix").String() == "":
		c.tell(source.Differs, n, "Envoy does not load an empty prefix; it is read as every origin", "")
	case n.Field("regex").Exists():
		c.tell(source.Differs, n.Field("regex"), "is a field of Envoy's API v2, which Envoy no longer loads: it is read as safe_regex", "")
	}
	for _, f := range n.ProtoOthers("exact", "prefix", "suffix", "contains", "regex", "safe_regex", "google_re2", "ignore_case", "custom") {
		c.tell(source.Decide, f.Node, "is not a field of a string matcher: it is not read", "")
	}
}

// Everybody tells of a matcher that allows every origin without looking like it.
func Everybody(o source.Origin) (f source.Finding, ok bool) {
	return source.Finding{
		Fidelity: source.Equal, Place: o.Place, Field: "allowOrigins", Value: o.Text.Text,
		Message: `it matches the text "*", by which Envoy allows every origin`,
	}, o.Any == source.Reflected && o.Regex != prove.Literal("*")
}

func (c *checker) maxAge(n tree.Node) {
	if text := strings.TrimSpace(n.String()); text != "" && !isDigits(text) {
		c.tell(source.Dropped, n, "browsers read only digits here, and take 5 seconds, as without it", "write maxAge in the policy if a longer time was meant")
	}
}

// enabled is about how much of the traffic the filter acts on.
func (c *checker) enabled(p tree.Node) {
	for _, name := range []string{"filter_enabled", "shadow_enabled"} {
		f := p.Proto(name)
		if key := f.Proto("runtime_key"); key.Exists() {
			c.tell(source.Decide, key, fmt.Sprintf("Envoy's runtime may set another part of the requests than the %g%% that is written here", 100*fraction(f)),
				"look it up: curl http://127.0.0.1:9901/runtime")
		}
	}
	f := p.Proto("filter_enabled")
	switch part := fraction(f); {
	case !f.Exists() || part >= 1:
	case part > 0:
		c.tell(source.Decide, f, fmt.Sprintf("Envoy answers %g%% of the requests; a policy acts on all or none, and this one only counts", 100*part), `write mode: "enforce"`)
	case fraction(p.Proto("shadow_enabled")) > 0:
		c.tell(source.Equal, f, "the filter only counts here, and so does the policy", `write mode: "enforce" to have it act`)
	default:
		c.tell(source.Equal, f, "the filter is switched off here, and so is the policy", `write mode: "enforce" to have it act`)
	}
}

// AddedHeader says what became of a header of the CORS protocol that is added to responses by
// other means than the policy of CORS; ok is false for other headers.
func AddedHeader(name string, value tree.Node) (f source.Finding, ok bool) {
	lower := strings.ToLower(name)
	if !policy.IsCORSHeader(lower) {
		return source.Finding{}, false
	}
	text := strings.TrimSpace(value.String())
	switch {
	case lower != "access-control-allow-origin":
		f = value.Finding(source.Differs, name+" is added to responses here; corsgate sets the header by the policy alone", "")
	case strings.ContainsAny(text, ", "):
		f = value.Finding(source.Dropped, "one header names several origins here, which no browser accepts: it does nothing", "list them in a policy's allowOrigins")
	default:
		f = value.Finding(source.Decide, fmt.Sprintf("every response allows %q here, whoever asks; corsgate replaces the header by what the policy allows", text), "list it in a policy's allowOrigins if that was meant")
	}
	f.Value = text
	return f, true
}
