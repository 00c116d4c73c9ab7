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
		{"/a%3Fb%23c", "/a%3Fb%23c", "/a?b#c", "/a"},
		{"/a%23b%3Fc", "/a%23b%3Fc", "/a#b?c", "/a"},
		// Parameters, cut before or after decoding.
		{"/a;v=1/b", "/a;v=1/b", "/a/b", "/a/b"},
		{"/a/..;/b", "/a/..;/b", "/b", "/b"},
		{"/a/.;x/b", "/a/.;x/b", "/a/b", "/a/b"},
		{"/a/;x/b", "/a/;x/b", "/a/b", "/a/b"},
		{"/a%3Bv/b", "/a%3Bv/b", "/a/b", "/a;v/b"},
		{"/a;%2F..%2Fb", "/a;%2F..%2Fb", "/b", "/a"},
	} {
		normalised, others, _ := ReadPath(c.path)
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
		"/x%2F%2F..%2Fp":               {"/p", "/x/p"}, // slashes merged before dot segments are resolved, and after that
		"/x/%2F../p":                   {"/p", "/x/p"},
		"/x/;/..%2Fp":                  {"/p", "/x/p"},
		"/x//..%2Fp":                   {"/p", "/x/p"},            // slashes that Envoy merges only if it is told to
		"/p%2F..;%2F..%2Fs":            {"/s"},                    // parameters kept
		"/p;/..%2Fx":                   {"/p/..%2Fx", "/x"},       // escapes kept, and decoded
		"/p%2F..%2Fx":                  {"/p/../x", "/x"},         // dot segments resolved before escapes are decoded, and after that
		"/x%2Fy/..;/z%2F..%2Fp":        {"/p", "/x/y/../p"},       // dot segments resolved before that and again after it
		"/p%2F%5C..%5C..%2Fx":          {"/p/%5C..%5C../x", "/x"}, // backslashes kept, and taken for slashes
		"/x%2F..%2Fp%2F%5C..%5C..%2Fz": {"/p/%5C..%5C../z"},
		"/a/b//..%2F%2F..%2F%2F..%2Fp": {"/a/b/p", "/a/p", "/p"}, // slashes merged never, by Envoy alone, and always
		"/.well-known/x%20y/z":         nil,
		"/caf%C3%A9/.hidden/%25":       nil,
	} {
		_, others, _ := ReadPath(path)
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
		if n := testing.AllocsPerRun(100, func() { _, others, _ = ReadPath(path) }); n != 0 {
			t.Errorf("%.20s: %v allocations", path, n)
		}
	}
	if others != nil {
		t.Error("an ordinary path is read otherwise")
	}
}

// FuzzReadPath: who reads a reading finds nothing new, which holds for what an
// Envoy that merges slashes hands on, too; and what a page may write otherwise
// without a difference makes none.
func FuzzReadPath(f *testing.F) {
	for _, path := range []string{
		"/a/../b?c", "/%2e/%2F;x/%5c..", "/caf%c3%a9|", "//a;/%3b/%25", "0//.;", "/x//..%2Fp", "/a/b//..%2F%2F..%2F%2F..%2Fp",
		"/x%2Fy/..;/z%2F..%2Fp", "/x%2F..%2Fp%2F%5C..%5C..%2Fz", "/p;%2F..%2Fx%3B/..;//..", hostilePath,
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		all, tooMany := readings(path)
		for _, r := range all {
			if strings.Contains(r, "//") {
				t.Errorf("%q: empty segments in %q", path, r)
			}
			if again, _ := readings(r); !tooMany && !isSubset(again, all) {
				t.Errorf("%q: read as %q, and of that %q as %q", path, all, r, again)
			}
		}
		if hasDotSegment(all[0]) {
			t.Errorf("%q: dot segments in %q", path, all[0])
		}
		path, _ = cutQuery(path)
		if other, _ := readings(spellOtherwise(path)); !slices.Equal(other, all) {
			t.Errorf("%q is read as %q, %q as %q", path, all, spellOtherwise(path), other)
		}
	})
}

// readings returns all readings, the normalised one first.
func readings(path string) (all []string, tooMany bool) {
	normalised, others, tooMany := ReadPath(path)
	return append([]string{normalised}, others...), tooMany
}

func isSubset(list, of []string) bool {
	return !slices.ContainsFunc(list, func(text string) bool { return !slices.Contains(of, text) })
}

// hostilePath has more readings than anybody looks at.
const hostilePath = "/%3B//a/b%2F..%3B%5C/%2F..%2F/c%5C%2Fb//..;x/;%5C%2Fa/%5C."

// What a page can make of a path has a bound, and what stays unread is told.
func TestReadingAPathIsBounded(t *testing.T) {
	for _, c := range []struct {
		path    string
		tooMany bool
	}{
		{hostilePath, true},
		{strings.Repeat("/a%2Fb", 10_000), false},
		{strings.Repeat("/a%2Fb;c", 1_500), false},
		{strings.Repeat("/a%2Fb;c", 7_500), true},
		{strings.Repeat("/a%2F..%5Cb;c%3Bd//", 3_000), true},
		{"/proxy/https%3A%2F%2Fexample.com%2F..%2Fb;x/y", false},
	} {
		_, others, tooMany := ReadPath(c.path)
		if read := len(others) * len(c.path); tooMany != c.tooMany || len(others) > maxReadings || read > maxReadingBytes {
			t.Errorf("%.60s: too many is %t, %d readings", c.path, tooMany, len(others))
		}
	}
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
