package policyfile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// Format returns a policy file with the specs, as a person would write it. comments has for
// each spec the text of a comment above it, which may be empty; it may be shorter than
// specs.
func Format(specs []policy.Spec, comments ...string) []byte {
	var f formatter
	if len(specs) == 0 {
		return []byte("policies: []\n")
	}
	f.text.WriteString("policies:\n")
	for i := range specs {
		if i < len(comments) && comments[i] != "" {
			fmt.Fprintf(&f.text, "# %s\n", strings.Join(strings.Fields(comments[i]), " "))
		}
		f.spec(&specs[i])
	}
	return []byte(f.text.String())
}

// formatter writes YAML: a mapping line by line, a list in brackets if it fits.
type formatter struct{ text strings.Builder }

// maxWidth is how long a line with a list may be.
const maxWidth = 100

func (f *formatter) spec(s *policy.Spec) {
	fmt.Fprintf(&f.text, "- name: %s\n", scalar(s.Name))
	f.list("  ", "hosts", s.Hosts)
	f.list("  ", "paths", s.Paths)
	f.word("mode", string(s.Mode))
	f.cors(&s.CORS)
	f.word("upstreamHeaders", string(s.UpstreamHeaders))
	f.word("unmatchedPreflights", string(s.UnmatchedPreflights))
	f.word("deniedRequests", string(s.DeniedRequests))
	if s.PreflightStatus != 0 {
		f.line("  ", "preflightStatus", strconv.Itoa(s.PreflightStatus))
	}
	f.word("preflightLists", string(s.PreflightLists))
	f.yes("  ", "allowPrivateNetwork", s.AllowPrivateNetwork)
	f.yes("  ", "debug", s.Debug)
	optIns := make([]string, len(s.Dangerously))
	for i, o := range s.Dangerously {
		optIns[i] = string(o)
	}
	f.list("  ", "dangerously", optIns)
}

func (f *formatter) cors(c *policy.CORS) {
	empty := len(c.AllowOrigins)+len(c.AllowOriginRegexes)+len(c.AllowMethods)+len(c.AllowHeaders)+len(c.ExposeHeaders) == 0
	if empty && !c.AllowCredentials && c.MaxAge == nil {
		return
	}
	const indent = "    "
	f.text.WriteString("  cors:\n")
	f.list(indent, "allowOrigins", c.AllowOrigins)
	f.list(indent, "allowOriginRegexes", c.AllowOriginRegexes)
	f.list(indent, "allowMethods", c.AllowMethods)
	f.list(indent, "allowHeaders", c.AllowHeaders)
	f.list(indent, "exposeHeaders", c.ExposeHeaders)
	f.yes(indent, "allowCredentials", c.AllowCredentials)
	if c.MaxAge != nil {
		f.line(indent, "maxAge", strconv.Itoa(*c.MaxAge))
	}
}

func (f *formatter) line(indent, field, value string) {
	fmt.Fprintf(&f.text, "%s%s: %s\n", indent, field, value)
}

func (f *formatter) word(field, value string) {
	if value != "" {
		f.line("  ", field, scalar(value))
	}
}

func (f *formatter) yes(indent, field string, value bool) {
	if value {
		f.line(indent, field, "true")
	}
}

func (f *formatter) list(indent, field string, entries []string) {
	if len(entries) == 0 {
		return
	}
	quoted := make([]string, len(entries))
	for i, e := range entries {
		quoted[i] = scalar(e)
	}
	line := "[" + strings.Join(quoted, ", ") + "]"
	if len(indent)+len(field)+len(": ")+len(line) <= maxWidth {
		f.line(indent, field, line)
		return
	}
	fmt.Fprintf(&f.text, "%s%s:\n", indent, field)
	for _, e := range quoted {
		fmt.Fprintf(&f.text, "%s- %s\n", indent, e)
	}
}

// plain finds the texts that YAML reads as they are, in brackets too, whatever its version:
// a letter or a slash, and then nothing that ends or begins something.
var plain = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9._/-]*(:[A-Za-z0-9._/-]+)*$`)

// notText are the words that some version of YAML reads as something else than text.
var notText = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null|nan|inf)$`)

// scalar returns a text in quotes if YAML would otherwise not read it as this text.
func scalar(text string) string {
	if plain.MatchString(text) && !notText.MatchString(text) {
		return text
	}
	return strconv.QuoteToASCII(text)
}
