package policy

import (
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
		if got, want := allReadings(c.path), [NumReadings]string{c.normalised, c.decoded, c.cut}; got != want {
			t.Errorf("readPath(%q) = %q, want %q", c.path, got, want)
		}
	}
}

// allReadings returns the path as each reading reads it.
func allReadings(path string) (all [NumReadings]string) {
	for r := range Reading(NumReadings) {
		all[r] = ReadPath(path, r)
	}
	return all
}

func TestReadingAPathCostsNoMemoryUnlessItChanges(t *testing.T) {
	var got readings
	for _, path := range []string{"/v1/users?id=1", "/caf%C3%A9/x", "/a%20b", "/" + strings.Repeat("a/", 1000)} {
		if n := testing.AllocsPerRun(100, func() { got = readPath(path) }); n != 0 {
			t.Errorf("%.20s: %v allocations", path, n)
		}
	}
	if got.others != nil {
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
		rs := allReadings(path)
		if again := allReadings(rs[ReadNormalised]); again != rs && !strings.ContainsAny(rs[ReadNormalised], "?#") {
			t.Errorf("%q: read as %q, and that as %q", path, rs, again)
		}
		path, _ = cutQuery(path)
		if other := allReadings(spellOtherwise(path)); other != rs {
			t.Errorf("%q is read as %q, %q as %q", path, rs, spellOtherwise(path), other)
		}
		for _, r := range rs {
			if strings.Contains(r, "//") || strings.Contains(r+"/", "/../") || strings.Contains(r+"/", "/./") {
				t.Errorf("%q: dot segments or empty ones in %q", path, rs)
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
