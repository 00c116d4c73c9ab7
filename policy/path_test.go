package policy

import (
	"slices"
	"strings"
	"testing"
)

func TestReadPath(t *testing.T) {
	for _, c := range []struct{ path, normalised, decoded, cut string }{
		{"", "", "", ""},
		{"*", "*", "*", "*"},
		{"/v1", "/v1", "/v1", "/v1"},
		{"/v1/", "/v1/", "/v1/", "/v1/"},
		{"/v1?x=/../y", "/v1", "/v1", "/v1"},
		{"/v1#f", "/v1", "/v1", "/v1"},
		{"/a/./b", "/a/b", "/a/b", "/a/b"},
		{"/a/../b", "/b", "/b", "/b"},
		{"/../../b", "/b", "/b", "/b"},
		{"//a///b", "/a/b", "/a/b", "/a/b"},
		{"/a//../b", "/a/b", "/a/b", "/a/b"},
		{"/a/..", "", "", ""},
		{"/...", "/...", "/...", "/..."},
		{"/.hidden", "/.hidden", "/.hidden", "/.hidden"},
		{"/a+b", "/a+b", "/a+b", "/a+b"},
		// RFC 3986, section 6.2.2.2: escapes of unreserved characters.
		{"/%76%31", "/v1", "/v1", "/v1"},
		{"/%7Euser", "/~user", "/~user", "/~user"},
		{"/a/%2e%2E/b", "/b", "/b", "/b"},
		// RFC 3986, section 6.2.2.1: hexadecimal digits have no case.
		{"/caf%c3%a9", "/caf%C3%A9", "/caf%C3%A9", "/caf%C3%A9"},
		{"/caf%C3%A9", "/caf%C3%A9", "/caf%C3%A9", "/caf%C3%A9"},
		// RFC 3986, section 2: what no URI has stands escaped in it.
		{"/caf\xc3\xa9", "/caf%C3%A9", "/caf%C3%A9", "/caf%C3%A9"},
		{"/a|b", "/a%7Cb", "/a%7Cb", "/a%7Cb"},
		{"/a%7cb", "/a%7Cb", "/a%7Cb", "/a%7Cb"},
		{"/a b", "/a%20b", "/a%20b", "/a%20b"},
		// A percent sign that begins no escape is one.
		{"/%", "/%25", "/%25", "/%25"},
		{"/%4", "/%254", "/%254", "/%254"},
		{"/%zz", "/%25zz", "/%25zz", "/%25zz"},
		{"/%7%30", "/%2570", "/%2570", "/%2570"},
		// An escaped percent sign is decoded by nobody.
		{"/a%252fb", "/a%252fb", "/a%252fb", "/a%252fb"},
		// Slashes that only applications see.
		{"/a%2Fb", "/a%2Fb", "/a/b", "/a/b"},
		{"/a%2fb", "/a%2Fb", "/a/b", "/a/b"},
		{"/a%5cb", "/a%5Cb", "/a/b", "/a/b"},
		{`/a\b`, "/a%5Cb", "/a/b", "/a/b"},
		{`/a\..\b`, "/a%5C..%5Cb", "/b", "/b"},
		{"/a%2F%2Fb", "/a%2F%2Fb", "/a/b", "/a/b"},
		{"/a%2F..%2Fb", "/a%2F..%2Fb", "/b", "/b"},
		{"/a/..%2Fb", "/a/..%2Fb", "/b", "/b"},
		// Other reserved characters.
		{"/%40admin", "/%40admin", "/@admin", "/@admin"},
		{"/a%3Fb%23c", "/a%3Fb%23c", "/a?b#c", "/a?b#c"},
		// Parameters, cut before or after decoding.
		{"/a;v=1/b", "/a;v=1/b", "/a/b", "/a/b"},
		{"/a/..;/b", "/a/..;/b", "/b", "/b"},
		{"/a/.;x/b", "/a/.;x/b", "/a/b", "/a/b"},
		{"/a/;x/b", "/a/;x/b", "/a/b", "/a/b"},
		{"/a%3Bv/b", "/a%3Bv/b", "/a/b", "/a;v/b"},
		{"/a;%2F..%2Fb", "/a;%2F..%2Fb", "/b", "/a"},
	} {
		normalised, others := ReadPath(c.path)
		if normalised != c.normalised {
			t.Errorf("%q is normalised to %q, want %q", c.path, normalised, c.normalised)
		}
		for _, want := range []string{c.decoded, c.cut} {
			if want != normalised && !slices.Contains(others, want) {
				t.Errorf("%q is read as %q, want %q too", c.path, others, want)
			}
		}
		if c.decoded == c.normalised && c.cut == c.normalised && others != nil {
			t.Errorf("%q is read as %q, too", c.path, others)
		}
	}
}

// Applications differ in what they decode and cut, and in what order.
func TestReadPathAsDifferentApplications(t *testing.T) {
	for path, readings := range map[string][]string{
		"/x%2F%2F..%2Fp":         {"/p", "/x/p"}, // slashes merged before dot segments are resolved, and after that
		"/x/%2F../p":             {"/p", "/x/p"},
		"/x/;/..%2Fp":            {"/p", "/x/p"},
		"/p%2F..;%2F..%2Fs":      {"/s"},              // parameters kept
		"/p;/..%2Fx":             {"/p/..%2Fx", "/x"}, // escapes kept, and decoded
		"/.well-known/x%20y/z":   nil,
		"/caf%C3%A9/.hidden/%25": nil,
	} {
		_, others := ReadPath(path)
		for _, want := range readings {
			if !slices.Contains(others, want) {
				t.Errorf("%q is read as %q, want %q too", path, others, want)
			}
		}
		if readings == nil && others != nil {
			t.Errorf("%q is read as %q, too", path, others)
		}
	}
}

func TestReadingAPathCostsNoMemoryUnlessItChanges(t *testing.T) {
	var others []string
	for _, path := range []string{"/v1/users?id=1", "/caf%C3%A9/x", "/a%20b", "/.well-known/openid-configuration", "/" + strings.Repeat("a/", 1000)} {
		if n := testing.AllocsPerRun(100, func() { _, others = ReadPath(path) }); n != 0 {
			t.Errorf("%.20s: %v allocations", path, n)
		}
	}
	if others != nil {
		t.Error("an ordinary path is read otherwise")
	}
}

// FuzzReadPath: reading a path again changes nothing, no reading has what
// another spelling of it would not have, and what a page may write otherwise
// without a difference makes none.
func FuzzReadPath(f *testing.F) {
	for _, path := range []string{"/a/../b?c", "/%2e/%2F;x/%5c..", "/caf%c3%a9|", "//a;/%3b/%25"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		normalised, others := ReadPath(path)
		if again, more := ReadPath(normalised); (again != normalised || !slices.Equal(more, others)) && !strings.ContainsAny(normalised, "?#") {
			t.Errorf("%q: read as %q and %q, and that as %q and %q", path, normalised, others, again, more)
		}
		path, _ = cutQuery(path)
		if other, more := ReadPath(spellOtherwise(path)); other != normalised || !slices.Equal(more, others) {
			t.Errorf("%q is read as %q and %q, %q as %q and %q", path, normalised, others, spellOtherwise(path), other, more)
		}
		for _, r := range append(others, normalised) {
			if strings.Contains(r, "//") || strings.Contains(r+"/", "/../") || strings.Contains(r+"/", "/./") {
				t.Errorf("%q: dot segments or empty ones in %q", path, r)
			}
		}
	})
}

// spellOtherwise escapes what is not escaped, but for what separates segments
// and parameters, and writes hexadecimal digits in lower case.
func spellOtherwise(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		_, escaped := escapeAt(path, i)
		switch c := path[i]; {
		case escaped:
			b.WriteString(strings.ToLower(path[i : i+3]))
			i += 2
		case isReserved(c), c == '%':
			b.WriteByte(c)
		default:
			b.WriteString(strings.ToLower(string(appendEscape(nil, c))))
		}
	}
	return b.String()
}
