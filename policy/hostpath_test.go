package policy

import (
	"strings"
	"testing"
)

func TestHostOf(t *testing.T) {
	for in, want := range map[string]string{
		"api.example.com": "api.example.com", "API.Example.com:443": "api.example.com", "api.example.com.": "api.example.com",
		"api.example.com.:8443": "api.example.com", "[::1]:80": "[::1]", "[2001:DB8::1]": "[2001:db8::1]", "": "", "localhost:": "localhost",
		"user@api.example.com": "api.example.com", "a:b@api.example.com:443": "api.example.com", "other.test@API.example.com": "api.example.com",
		"a@b@api.example.com": "api.example.com", "user@[::1]:80": "[::1]",
	} {
		if got := hostOf(in); got != want {
			t.Errorf("hostOf(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLayerPrefersTheNarrowerHostThenTheLongerPath(t *testing.T) {
	var l layer
	for _, e := range []struct {
		name         string
		hosts, paths []string
	}{
		{"any", nil, nil},
		{"any-v1", nil, []string{"/v1"}},
		{"star", []string{"*.example.com"}, nil},
		{"star-deep", []string{"*.api.example.com"}, []string{"/"}},
		{"exact", []string{"api.example.com", "[::1]"}, []string{"/v1/", "/v2"}},
		{"exact-deep", []string{"API.example.com"}, []string{"/v1/admin"}},
	} {
		l.add(&compiled{name: e.name}, e.hosts, e.paths)
	}
	for _, c := range []struct{ authority, path, want string }{
		{"other.test", "/", "any"},
		{"other.test", "/v1/x", "any-v1"},
		{"other.test", "/v10", "any"},
		{"", "/", "any"},
		{"example.com", "/", "any"},
		{"a.example.com", "/v1", "star"},
		{"a.b.example.com:8443", "/", "star"},
		{"x.api.example.com", "/v1", "star-deep"},
		{"api.example.com", "/v1", "exact"},
		{"api.example.com", "/v1/", "exact"},
		{"api.example.com", "/v1/x?y", "exact"},
		{"api.example.com", "/v2", "exact"},
		{"[::1]:80", "/v2", "exact"},
		{"api.example.com", "/v10", "star"},
		{"api.example.com", "/v1/admin", "exact-deep"},
		{"api.example.com", "/v1/admin/x/y/z", "exact-deep"},
		{"api.example.com", "/v1/administrator", "exact"},
		{"api.example.com", "/V1", "star"},
		{"api.example.com", "/%76%31/admin", "exact-deep"},
		{"api.example.com", "/v1/a%2fdmin", "exact"},
		{"api.example.com", "/x/../v1", "exact"},
		{"api.example.com", "//v1", "exact"},
		{"api.example.com", "*", "star"},
		{"api.example.com", "", "star"},
	} {
		got := "none"
		if p := l.normalised.find(hostOf(c.authority), normalised(c.path)); p != nil {
			got = p.name
		}
		if got != c.want {
			t.Errorf("%s %s: policy %s, want %s", c.authority, c.path, got, c.want)
		}
	}
}

func TestLayerWithoutEveryHostFindsNothingElsewhere(t *testing.T) {
	var l layer
	l.add(&compiled{name: "p"}, []string{"*.example.com"}, []string{"/v1"})
	for _, authority := range []string{"example.com", "evilexample.com", "example.com.evil.test", strings.Repeat("a.", 40000) + "example.com"} {
		if p := l.normalised.find(hostOf(authority), "/v1"); p != nil {
			t.Errorf("%.40s: policy %s", authority, p.name)
		}
	}
	if p := l.normalised.find("a.example.com", "/v"+strings.Repeat("/1", 40000)); p != nil {
		t.Errorf("policy %s for a path that it does not cover", p.name)
	}
}

func normalised(path string) string {
	path, _, _ = ReadPath(path)
	return path
}
