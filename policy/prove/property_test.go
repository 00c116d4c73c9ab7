package prove

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
)

// rounds is how many random cases each test takes.
const rounds = 60

func oneOf(random *rand.Rand, list ...string) string { return list[random.IntN(len(list))] }

// randomPattern returns a pattern of any form, but "*" and "null".
func randomPattern(random *rand.Rand) policy.Pattern {
	for {
		host := oneOf(random, "example.com", "a.example.com", "b.example.com.", "localhost", "127.0.0.1", "[::1]", "xn--a.example", "a_b.example")
		star := oneOf(random, "", "", "*.", "app-*.", "*-app.", "a-*-b.")
		text := oneOf(random, "http", "https", "https", "capacitor", "chrome-extension") + "://" +
			oneOf(random, star+host, star+host, star+host, "*") + oneOf(random, "", "", ":*", ":8080")
		if p, err := policy.ParsePattern(text); err == nil {
			return p
		}
	}
}

func randomPatterns(random *rand.Rand) []policy.Pattern {
	var list []policy.Pattern
	for range 1 + random.IntN(4) {
		list = append(list, randomPattern(random))
	}
	return list
}

func texts(list []policy.Pattern) []string {
	var all []string
	for _, p := range list {
		all = append(all, p.String())
	}
	slices.Sort(all)
	return all
}

// TestPatternsComeBack holds that the expression of patterns is translated to the same
// patterns, without those that others cover.
func TestPatternsComeBack(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range rounds {
		list := randomPatterns(random)
		expr := Expression(list)
		v, err := Translate(Regex{Expr: expr})
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		slices.Sort(v.Patterns)
		if want := texts(uncovered(slices.Compact(list))); v.Kind != Equal || !slices.Equal(v.Patterns, want) {
			t.Errorf("%s\nis %v %q, want %q", expr, v.Kind, v.Patterns, want)
		}
	}
}

// randomOrigin returns an origin near to those of the patterns and regexes here.
func randomOrigin(random *rand.Rand) string {
	for {
		host := ""
		for range random.IntN(3) {
			host += oneOf(random, "a", "app", "app-a", "a-app", "b_c", "-a", "app-b_c", "www", "1", "a-b-c", "a-xx-b") + oneOf(random, ".", ".", "", "-")
		}
		host += oneOf(random, "example.com", "example.com", "a.example.com", "b.example.com.", "localhost", "127.0.0.1", "[::1]", "xn--a.example", "a_b.example", "exampleacom", "A~")
		text := oneOf(random, "http", "https", "https", "capacitor", "chrome-extension", "ahttps") + "://" + host + oneOf(random, "", "", ":8080", ":1", ":65535")
		if random.IntN(4) == 0 {
			text = mutate(random, text)
		}
		if _, err := policy.ParseOrigin(text); err == nil {
			return text
		}
	}
}

func allowedBy(list []policy.Pattern, origin string) bool {
	o, err := policy.ParseOrigin(origin)
	return err == nil && slices.ContainsFunc(list, func(p policy.Pattern) bool { return p.Matches(o) })
}

// TestExpressionsMatchWhatPatternsAllow holds the machine of an expression, and package
// regexp, to policy.Pattern.Matches.
func TestExpressionsMatchWhatPatternsAllow(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	allowed := 0
	for range rounds {
		list := randomPatterns(random)
		expr := Expression(list)
		re := regexp.MustCompile("^(?:" + expr + ")$")
		p := newProver(NewBudget(MaxWork))
		l := p.language(expr)
		if re.MatchString("*") {
			t.Errorf("%s matches *", expr)
		}
		for range 50 {
			origin := randomOrigin(random)
			want := allowedBy(list, origin)
			if has(l, origin) != want || re.MatchString(origin) != want {
				t.Errorf("%s of %s: machine %v, regexp %v, want %v", origin, expr, has(l, origin), re.MatchString(origin), want)
			}
			if want {
				allowed++
			}
		}
	}
	if allowed < rounds {
		t.Errorf("only %d origins were allowed", allowed)
	}
}

// matcher returns a function that reports whether package regexp matches a text as the
// engine of r does. It knows nothing of how this package wraps regexes.
func matcher(r Regex) (match func(text string) bool, err error) {
	expr := r.Expr
	if r.Fold {
		expr = "(?i)" + expr
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	re.Longest() // so that a match of the whole text is the one that is found
	return func(text string) bool {
		at := re.FindStringIndex(text)
		switch {
		case at == nil || r.Mode == Search:
			return at != nil
		case r.Mode == Prefix:
			return at[0] == 0
		}
		return at[0] == 0 && at[1] == len(text)
	}, nil
}

// randomRegex returns a regex as people write them for origins, and with their mistakes.
func randomRegex(random *rand.Rand) Regex {
	piece := func() string {
		return oneOf(random, "example", "app", "www", "a", "-", `\.`, `\.`, ".", "com", `\d`, "[a-z]", "[a-z0-9-]", `[^.]`, `\w`, `\b`, "_", ":", `\/`, "localhost", "[1-3]", "(?i:A)", "8080")
	}
	group := func() string {
		var b strings.Builder
		for range 1 + random.IntN(3) {
			b.WriteString(piece())
			if random.IntN(4) == 0 {
				b.WriteString(oneOf(random, "*", "+", "?", "{2}", "{1,3}"))
			}
		}
		return b.String()
	}
	expr := oneOf(random, "", "^", "^", `\A`) + oneOf(random, "https://", "https://", "https?://", "http(s)?:\\/\\/", "", "(https|capacitor)://", ".*")
	for range random.IntN(4) {
		expr += oneOf(random, group(), group(), "("+group()+`\.)?`, "("+group()+"|"+group()+")", `(.*\.)?`, ".*", `([a-z0-9-]+\.)*`, "(?:"+group()+")+")
	}
	expr += oneOf(random, `example\.com`, "example.com", "localhost", "") + oneOf(random, "", "", `(:\d+)?`, `:\d+`, ":8080", `(:[0-9]{1,4})?`) + oneOf(random, "$", "$", "", `\z`)
	return Regex{Expr: expr, Mode: Mode(random.IntN(3)), Fold: random.IntN(4) == 0}
}

// TestRandomRegexes holds that witnesses are what they say, and that no origin that the
// patterns allow is outside the regex, but with the default port or an odd name.
func TestRandomRegexes(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	kinds := map[Kind]int{}
	for range 3 * rounds {
		r := randomRegex(random)
		match, err := matcher(r)
		if err != nil {
			continue
		}
		v, err := Translate(r)
		if err != nil {
			t.Errorf("%s: %v", heading(r), err)
			continue
		}
		kinds[v.Kind]++
		holdWitnesses(t, r, v)
		holdPatterns(t, random, r, v, match)
	}
	for k := Equal; k <= Never; k++ {
		if kinds[k] == 0 {
			t.Errorf("no verdict was %v", k)
		}
	}
}

var oddName = regexp.MustCompile(`_|-\.|\.-|//-|-(:|$)|\.(:|$)`)

// holdPatterns tries origins near to those of a regex.
func holdPatterns(t *testing.T, random *rand.Rand, r Regex, v Verdict, match func(string) bool) {
	t.Helper()
	var list []policy.Pattern
	for _, s := range v.Patterns {
		p, err := policy.ParsePattern(s)
		if err != nil {
			t.Error(err)
		}
		list = append(list, p)
	}
	for range 50 {
		origin := randomOrigin(random)
		matched, allowed := match(origin), allowedBy(list, origin)
		isPlain := !oddName.MatchString(origin)
		isDefault := !regexp.MustCompile(`:\d+$`).MatchString(origin)
		switch {
		case allowed && !matched && isPlain && !(isDefault && v.Added != ""):
			t.Errorf("%s: %q allow %s", heading(r), v.Patterns, origin)
		case matched && !allowed && v.Kind <= EqualButOddNames && isPlain,
			matched && !allowed && v.Kind == Equal,
			matched && v.Kind == Never:
			t.Errorf("%s: %q do not allow %s, and it is %v", heading(r), v.Patterns, origin, v.Kind)
		}
	}
}

// TestMachinesMatchAsRegexpDoes compares a machine with package regexp by texts that are
// no origins, too.
func TestMachinesMatchAsRegexpDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	matched := 0
	for range 5 * rounds {
		r := randomRegex(random)
		tree, err := r.parse()
		if err != nil {
			continue
		}
		d, err := newDFA(r.whole(tree), NewBudget(MaxWork))
		if err != nil {
			t.Fatal(err)
		}
		match, err := matcher(r)
		if err != nil {
			t.Fatal(err)
		}
		re, err := r.Compile()
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			text := mutate(random, randomOrigin(random))
			if re.MatchString(text) != match(text) {
				t.Errorf("%s: %q matches %v, what is compiled says otherwise", heading(r), text, match(text))
			}
			if has(d, text) != match(text) {
				t.Errorf("%s: %q matches %v, the machine says otherwise", heading(r), text, match(text))
			}
			if match(text) {
				matched++
			}
		}
	}
	if matched < rounds {
		t.Errorf("only %d texts matched", matched)
	}
}

// TestCompareFindsAWitnessEitherWay holds Compare to regexes whose difference is known.
func TestCompareFindsAWitnessEitherWay(t *testing.T) {
	for _, c := range []struct{ a, b, onlyA, onlyB string }{
		{`https://(www\.)?example\.com`, `https://example\.com|https://www\.example\.com`, "", ""},
		{`https://.*\.example\.com`, `https://[^.]*\.example\.com`, "https://a.a.example.com", ""},
		{`https?://example\.com`, `https://example\.com(:1)?`, "http://example.com", "https://example.com:1"},
		{`https://example\.com`, `https://example\.com(/.*)?`, "", ""},                         // no origin has a path
		{`https://example\.com`, `https://[a-z]{64}\.example\.com`, "https://example.com", ""}, // no label is that long
		{`https://(a{60}\.){4}a{7}\.b`, `https://(a{60}\.){4}a{8}\.b`, "https://" + strings.Repeat(strings.Repeat("a", 60)+".", 4) + "aaaaaaa.b", ""},
		{`app://a`, `app://a{255}`, "app://a", ""}, // no host is that long
		{`app://a`, `a{65}://a`, "app://a", ""},    // no scheme is that long
	} {
		onlyA, onlyB, err := Compare(Regex{Expr: c.a}, Regex{Expr: c.b})
		if onlyA != c.onlyA || onlyB != c.onlyB || err != nil {
			t.Errorf("%s and %s: %q, %q, %v; want %q, %q", c.a, c.b, onlyA, onlyB, err, c.onlyA, c.onlyB)
		}
	}
	for _, bad := range []string{"(", `(a|b)*a(a|b){30}`} {
		if _, _, err := Compare(Regex{Expr: bad, Mode: Search}, Regex{Expr: "a"}); err == nil {
			t.Errorf("%s can be compared", bad)
		}
		if _, _, err := Compare(Regex{Expr: "a"}, Regex{Expr: bad, Mode: Search}); err == nil {
			t.Errorf("%s can be compared", bad)
		}
	}
}

// FuzzTranslate holds that no regex takes too long or too much, and that what a verdict
// says of its witnesses is so.
func FuzzTranslate(f *testing.F) {
	regexes, _ := regexCases(f)
	for _, r := range regexes {
		f.Add(r.Expr, uint8(r.Mode), r.Fold)
	}
	f.Fuzz(func(t *testing.T, expr string, mode uint8, fold bool) {
		r := Regex{Expr: expr, Mode: Mode(mode % 3), Fold: fold}
		v, err := Translate(r)
		if err != nil {
			return
		}
		holdWitnesses(t, r, v)
		match, err := matcher(r)
		if err != nil {
			t.Fatal(err)
		}
		holdPatterns(t, rand.New(rand.NewPCG(1, 1)), r, v, match)
	})
}
