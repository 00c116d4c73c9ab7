package source_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

func TestEnvoyOriginAllowsEverybody(t *testing.T) {
	for _, c := range []struct {
		text  string
		match source.EnvoyMatch
		any   source.Any
	}{
		{"*", source.EnvoyExact, source.Reflected},
		{"*", source.EnvoyPrefix, source.Reflected},
		{"", source.EnvoyPrefix, source.Reflected},
		{".*", source.EnvoyRegex, source.Reflected},
		{`\*`, source.EnvoyRegex, source.Reflected},
		{`https://.*|\*`, source.EnvoyRegex, source.Reflected},
		{"https://*", source.EnvoyExact, source.NotAny},
		{"https://*.example.com", source.EnvoyPrefix, source.NotAny},
		{"example.com", source.EnvoySuffix, source.NotAny},
		{`https?://.*`, source.EnvoyRegex, source.NotAny},
		{`(`, source.EnvoyRegex, source.NotAny},
	} {
		if got := source.EnvoyOrigin(source.Text{Text: c.text}, c.match).Any; got != c.any {
			t.Errorf("%q, match %d: %d, want %d", c.text, c.match, got, c.any)
		}
	}
}

func TestEnvoyOriginMeant(t *testing.T) {
	for _, c := range []struct {
		text  string
		match source.EnvoyMatch
		meant string
	}{
		{"https://*.example.com", source.EnvoyPrefix, "https://*.example.com"},
		{"https://*.*.example.com/*", source.EnvoyRegex, "https://*.example.com"},
		{`^https://.*\.example\.com$`, source.EnvoyRegex, "https://*.example.com"},
		{"https://*", source.EnvoyExact, "https://*"},
		{"https://example.com", source.EnvoyExact, ""},
		{"https://(a|b).example.com", source.EnvoyRegex, ""},
		{"*", source.EnvoyExact, ""},
	} {
		if got := strings.Join(source.EnvoyOrigin(source.Text{Text: c.text}, c.match).Meant, " "); got != c.meant {
			t.Errorf("%q: %q, want %q", c.text, got, c.meant)
		}
	}
}
