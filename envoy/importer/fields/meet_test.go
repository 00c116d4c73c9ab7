package fields_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

func TestHostsMeet(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"a.example", "a.example", true}, {"a.example", "b.example", false}, {"*.example", "a.example", true},
		{"*.example", "*.b.example", true}, {"*.a.example", "*.b.example", false}, {"*.example", "example", false}, {"", "a.example", true},
	} {
		if got := fields.HostsMeet(list(c.a), list(c.b)); got != c.want {
			t.Errorf("%q and %q: %t", c.a, c.b, got)
		}
		if got := fields.HostsMeet(list(c.b), list(c.a)); got != c.want {
			t.Errorf("%q and %q: %t", c.b, c.a, got)
		}
	}
}

func TestIsWider(t *testing.T) {
	for _, c := range []struct {
		hosts, host string
		want        bool
	}{
		{"", "a.example", true}, {"*.example", "a.example", true}, {"*.example", "*.a.example", true}, {"a.example", "a.example", false},
		{"*.example", "*.example", false}, {"*.a.example", "*.example", false}, {"a.example", "b.example", false},
	} {
		if got := fields.IsWider(list(c.hosts), c.host); got != c.want {
			t.Errorf("%q for %q: %t", c.hosts, c.host, got)
		}
	}
}

func list(host string) []string {
	if host == "" {
		return nil
	}
	return []string{host}
}

func TestPathsMeet(t *testing.T) {
	path := func(text string, kind source.PathKind) []source.Path {
		return []source.Path{{Text: source.Text{Text: text}, Kind: kind}}
	}
	search := func(expr string) []source.Path {
		found := path(expr, source.RegexPath)
		found[0].Search = true
		return found
	}
	for _, c := range []struct {
		a, b []source.Path
		want bool
	}{
		{nil, path("/a", source.ExactPath), true},
		{path("/a", source.ExactPath), path("/a", source.ExactPath), true},
		{path("/a", source.ExactPath), path("/a/b", source.ExactPath), false},
		{path("/a", source.StringPath), path("/a/b", source.ExactPath), true},
		{path("/a/b", source.StringPath), path("/a", source.ExactPath), false},
		{path("/a", source.StringPath), path("/ab", source.Segments), true},
		{path("/a", source.StringPath), path("/b", source.StringPath), false},
		{path("/a", source.StringPath), path("/b.*", source.RegexPath), false},
		{path("/a", source.StringPath), path("/ab|/c", source.RegexPath), true},
		{path("/a", source.StringPath), path("(?i)/b", source.RegexPath), true},
		{path("/a", source.StringPath), path("(", source.RegexPath), true},
		{path("/a", source.StringPath), search("^/b"), false},
		{path("/ab", source.ExactPath), search("^/a(/|$)"), true},
		{path("/a", source.StringPath), search("/b"), true},
		{path("/a", source.StringPath), search("^/b|/c"), true},
		{path("/a", source.StringPath), search("^"), true},
	} {
		if got := fields.PathsMeet(fields.ReachOf(c.a), fields.ReachOf(c.b)); got != c.want {
			t.Errorf("%v and %v: %t", c.a, c.b, got)
		}
		if got := fields.PathsMeet(fields.ReachOf(c.b), fields.ReachOf(c.a)); got != c.want {
			t.Errorf("%v and %v: %t", c.b, c.a, got)
		}
	}
}
