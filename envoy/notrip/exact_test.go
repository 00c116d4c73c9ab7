package notrip

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// whole compiles an expression as Envoy reads it: the whole value must match.
func whole(expression string) *regexp.Regexp {
	return regexp.MustCompile("^(?:" + strings.ReplaceAll(expression, `\C`, `(?s:.)`) + ")$")
}

// mix returns texts of up to n pieces, the same in each run.
func mix(n int, pieces ...string) func(yield func(string) bool) {
	r := rand.New(rand.NewPCG(1, 2))
	return func(yield func(string) bool) {
		for range 200_000 {
			var b strings.Builder
			for range 1 + r.IntN(n) {
				b.WriteString(pieces[r.IntN(len(pieces))])
			}
			if !yield(b.String()) {
				return
			}
		}
	}
}

func TestPlainOriginsAreOrigins(t *testing.T) {
	matched := 0
	rest := mix(9, "a", "b-", "_", ".", ".", "1", "0x1", "xn--", ":", ":80", ":443", ":8443", ":21", ":0", "9", "999", "65535", "59999", "[", "/", "A", "\xff", "@", strings.Repeat("a", 39))
	for text := range rest {
		for _, scheme := range []string{"http://", "https://", "Http://"} {
			text := scheme + text
			if !isPlainOrigin.MatchString(text) {
				continue
			}
			matched++
			if _, err := policy.ParseOrigin(text); err != nil {
				t.Fatalf("%q is taken for an origin: %v", text, err)
			}
		}
	}
	if matched < 1000 {
		t.Errorf("only %d plain origins were tried", matched)
	}
	longest := "https://" + strings.Repeat(strings.Repeat("a", 40)+".", 5) + strings.Repeat("a", 40) + ":59999"
	if _, err := policy.ParseOrigin(longest); err != nil || !isPlainOrigin.MatchString(longest) || isPlainOrigin.MatchString("https://a."+longest[len("https://"):]) {
		t.Errorf("the longest plain origin is another one: %v", err)
	}
}

// TestExpressionsOfPatterns holds them to what the patterns match of plain origins.
func TestExpressionsOfPatterns(t *testing.T) {
	origins := map[string]policy.Origin{}
	for rest := range mix(5, "a", "b", "a-", "-b", "a-x-b", ".", ".a", ".b", ".a.b", "x", "_", "1", "localhost", ":8443", ":1000") {
		for _, text := range []string{"http://" + rest, "https://" + rest} {
			if o, err := policy.ParseOrigin(text); err == nil && isPlainOrigin.MatchString(text) {
				origins[text] = o
			}
		}
	}
	for _, text := range []string{
		"https://a.b", "http://a.b", "https://a.b:8443", "https://a.b:*", "https://*.a.b", "https://*.a.b:8443", "http://*.a.b:*", "https://a-*.b", "https://*-b.a",
		"https://a-*-b.a.b", "https://a-*-b.b:8443", "https://a-*-b.b:*", "https://*", "http://*", "https://*:8443", "https://*:*", "http://localhost:*",
	} {
		pattern, err := policy.ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		expression, matched := whole(expressionOf(pattern)), 0
		for origin, o := range origins {
			got, want := expression.MatchString(origin), pattern.Matches(o)
			if got != want {
				t.Fatalf("%s matches %s: %v, want %v", text, origin, got, want)
			}
			if want {
				matched++
			}
		}
		if matched == 0 {
			t.Errorf("no origin that %s matches was tried", text)
		}
	}
}

// TestPathsWithOneReading holds that no reading of a path that is taken for one with
// a single reading begins with other segments.
func TestPathsWithOneReading(t *testing.T) {
	strict, loose := whole(onePath(strictByte)), whole(onePath(looseByte))
	strictMatched, looseMatched := 0, 0
	for p := range mix(8, "/", "/", "/a", "/v1", "b", ".", "..", ":", "@", ";", "%", "%2f", "%2F", "%2e", "%41", "%3a", "%3B", "%3f", "%23", "%5c", "\\", "%20", "%25", "%c3%a9", "\xc3\xa9", "?", "#", "%7e", "%2d", "%5F", "%zz", "~", "\"", "%22", "%00") {
		p = "/" + p
		normalised, others, tooMany := policy.ReadPath(p)
		if strict.MatchString(p) {
			strictMatched++
			if cut, _, _ := strings.Cut(strings.SplitN(p, "?", 2)[0], "#"); normalised != cut || len(others) > 0 || tooMany {
				t.Fatalf("%q is read as %q and %q", p, normalised, others)
			}
		}
		if loose.MatchString(p) {
			looseMatched++
			for _, other := range others {
				if !sameFor(normalised, other) {
					t.Fatalf("%q is read as %q and %q, which plain paths tell apart", p, normalised, other)
				}
			}
			if cut, _, _ := strings.Cut(strings.SplitN(p, "?", 2)[0], "#"); tooMany || !sameFor(cut, normalised) {
				t.Fatalf("%q is read as %q, which plain paths tell apart", p, normalised)
			}
		}
	}
	if strictMatched < 1000 || looseMatched < strictMatched+1000 {
		t.Errorf("only %d and %d paths were tried", strictMatched, looseMatched)
	}
}

// sameFor reports whether no policy's path of unreserved characters covers only one
// of the paths: the segments that are such paths stand in the same places.
func sameFor(a, b string) bool {
	s, q := strings.Split(strings.TrimSuffix(a, "/"), "/"), strings.Split(strings.TrimSuffix(b, "/"), "/")
	if len(s) != len(q) {
		return false
	}
	for i := range s {
		if s[i] != q[i] && (unreservedPath.MatchString(s[i]) || unreservedPath.MatchString(q[i])) {
			return false
		}
	}
	return true
}

func TestAnyCaseHasNoOtherLetters(t *testing.T) {
	re := whole(anyCases([]string{"x-key", "is"}))
	for text, want := range map[string]bool{"x-key": true, "X-KEY": true, "x-Key": true, "IS": true, "x-\u212aey": false, "i\u017f": false, "x-ke": false} {
		if re.MatchString(text) != want {
			t.Errorf("%q matches: %v, want %v", text, !want, want)
		}
	}
}

func TestListsOfHeaders(t *testing.T) {
	all, has := whole(list(anyCases([]string{"a", "b"}))), whole(element(anyCase("b")))
	for value := range mix(6, "a", "B", "b", "c", ",", ",", " ", "\t", ";") {
		names := strings.FieldsFunc(value, func(r rune) bool { return r == ',' })
		for i := range names {
			names[i] = strings.ToLower(strings.Trim(names[i], " \t"))
		}
		wantAll := !slices.ContainsFunc(names, func(n string) bool { return n != "" && n != "a" && n != "b" })
		if all.MatchString(value) != wantAll {
			t.Fatalf("%q has only a and b: %v, want %v", value, !wantAll, wantAll)
		}
		if want := slices.Contains(names, "b"); has.MatchString(value) != want {
			t.Fatalf("%q has b: %v, want %v", value, !want, want)
		}
	}
}

// TestNamesThatAStarDoesNotCover holds what is denied under a star to Decide.
func TestNamesThatAStarDoesNotCover(t *testing.T) {
	for _, allowed := range [][]string{{"*"}, {"*", "authorization"}} {
		for _, credentials := range []bool{false, true} {
			c := newCompiler(policytest.Compile(t, api(func(s *policy.Spec) { s.CORS.AllowHeaders, s.CORS.AllowCredentials = allowed, credentials })), Options{}, memory{})
			names, _ := withoutStar(allowed)
			uncovered := notCovered(c.policies[0], names)
			for _, name := range []string{"*", "authorization", "Authorization", "x-a"} {
				d := c.set.Decide(&policy.Request{Method: "OPTIONS", Authority: "api.example.com", Path: "/", Origin: "https://app.example.com", RequestMethod: "GET", RequestHeaders: name})
				got, want := uncovered != "" && whole(element(uncovered)).MatchString(name), d.Reason == policy.ReasonPreflightHeaderDenied
				if got != want {
					t.Errorf("%q with credentials %v denies %q: %v, want %v", allowed, credentials, name, got, want)
				}
			}
		}
	}
}

func TestAscendingLists(t *testing.T) {
	names := []string{"a", "b", "c"}
	re := whole(ascending(names))
	for value := range mix(6, "a", "b", "c", ",", " ") {
		got := strings.Split(value, ",")
		want := slices.IsSorted(got) && len(slices.Compact(slices.Clone(got))) == len(got) &&
			!slices.ContainsFunc(got, func(n string) bool { return !slices.Contains(names, n) })
		if re.MatchString(value) != want {
			t.Fatalf("%q is ascending: %v, want %v", value, !want, want)
		}
	}
	if !slices.IsSorted(commonHeaders) || slices.ContainsFunc(commonHeaders, policy.IsForbiddenRequestHeader) {
		t.Error("the common headers are not sorted, or pages cannot set them")
	}
}
