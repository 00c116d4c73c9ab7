package policy

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"
)

// seeds is how many sequences of changes are tried.
func seeds() uint64 {
	if os.Getenv("CORSGATE_TEST") == "full" {
		return 300
	}
	return 16
}

// drawSpec returns one of few policies, so that they meet in names, hosts and paths.
// Some have mistakes, more than are kept too, and some what is said of them only beside
// others.
func drawSpec(r *rand.Rand) Spec {
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	some := func(of ...string) (list []string) {
		for range r.IntN(3) {
			list = append(list, one(of...))
		}
		return list
	}
	s := Spec{
		Name:  one("a", "b", "c", "d", "e", "f", "g", "h"),
		Hosts: some("a.test", "b.test", "*.a.test", "x.a.test", "*.x.a.test", "y.x.a.test"),
		Paths: some("/v1", "/v1/x", "/v1/x/y", "/v2", "/v2%2fx", "/v2/x"),
		Mode:  Mode(one("", "", "shadow", "off")),
		Debug: r.IntN(3) == 0, DeniedRequests: DeniedRequests(one("", "block", "block-unsafe")),
		CORS: CORS{
			AllowOrigins: []string{one("https://a.test", "https://*.b.test", "https://c.test")},
			AllowMethods: some("PUT", "GET", "PATCH"), AllowHeaders: some("x-a", "X-B"),
			AllowCredentials: r.IntN(2) == 0, MaxAge: ptr(r.IntN(2)),
		},
	}
	switch r.IntN(20) {
	case 0:
		s.CORS.AllowOrigins = append(s.CORS.AllowOrigins, "https://a.test/")
	case 1:
		for i := range maxKept + 1 {
			s.CORS.AllowOrigins = append(s.CORS.AllowOrigins, fmt.Sprintf("https://a%d", i))
		}
	}
	return s
}

// changeMemos changes, adds or removes a policy, or swaps two.
func changeMemos(r *rand.Rand, memos []*Memo, given []Spec) ([]*Memo, []Spec) {
	i := r.IntN(len(memos) + 1)
	switch n := r.IntN(8); {
	case (n == 0 || len(memos) > 4) && i > 0:
		return slices.Delete(memos, i-1, i), slices.Delete(given, i-1, i)
	case n == 1 && i > 1:
		memos[0], memos[i-1] = memos[i-1], memos[0]
		given[0], given[i-1] = given[i-1], given[0]
		return memos, given
	case n > 3 && i > 0:
		memos, given = slices.Delete(memos, i-1, i), slices.Delete(given, i-1, i)
		i--
	}
	s := drawSpec(r)
	return slices.Insert(memos, i, NewMemo(s, nil)), slices.Insert(given, i, s)
}

// decisions returns what set decides about some requests, with the content of its
// answers.
func decisions(set *Set) (all []string) {
	for _, host := range []string{"a.test", "b.test", "x.a.test", "y.x.a.test", "c.test"} {
		for _, path := range []string{"/", "/v1/x/y/z", "/v2%2fx", "/v1;a/../v2"} {
			for _, origin := range []string{"", "https://a.test", "https://x.b.test", "https://a7"} {
				for _, r := range []Request{{Method: "GET"}, {Method: "OPTIONS", RequestMethod: "PUT", RequestHeaders: "x-a"}} {
					r.Authority, r.Path, r.Origin = host, path, origin
					d := set.Decide(&r)
					all = append(all, decided(d.Verdict), decided(d.Shadow), fmt.Sprint(d.ShadowDiffers))
				}
			}
		}
	}
	for _, name := range set.Names() {
		all = append(all, decided(set.Decide(&Request{Policy: name, Method: "GET", Origin: "https://a.test"}).Verdict))
	}
	return all
}

func decided(v Verdict) string {
	if v.Answer == nil {
		return ""
	}
	a := *v.Answer
	a.ID, v.Answer = 0, nil
	return fmt.Sprintf("%+v %+v", v, a)
}

// TestWhatIsKnownIsAsIfItWereNew lives through random changes. What is remembered of
// the policies that stay must change nothing: no problem, no hash, no decision, and
// none of the set before, which may still serve.
func TestWhatIsKnownIsAsIfItWereNew(t *testing.T) {
	good, shared, reused := 0, 0, 0
	for seed := range seeds() {
		r := rand.New(rand.NewPCG(seed, 1))
		var memos []*Memo
		var given []Spec
		var prev *Set
		var before []string
		for step := range 40 {
			memos, given = changeMemos(r, memos, given)
			var got, want Problems
			valid := ExamineMemos(memos, nil, func(p Problem) { got = append(got, p) })
			fresh := Examine(given, func(p Problem) { want = append(want, p) })
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, step %d: the problems are\n%v\nwant\n%v", seed, step, got, want)
			}
			if (valid == nil) != (fresh == nil) {
				t.Fatalf("seed %d, step %d: valid is %v, want %v", seed, step, valid, fresh)
			}
			if valid == nil {
				continue
			}
			if valid.Hash() != fresh.Hash() || !reflect.DeepEqual(valid.Specs(), fresh.Specs()) {
				t.Fatalf("seed %d, step %d: the specs are\n%+v\nwant\n%+v", seed, step, valid.Specs(), fresh.Specs())
			}
			set := CompileAfter(prev, valid)
			now := decisions(set)
			if want := decisions(Compile(fresh)); !slices.Equal(now, want) {
				t.Fatalf("seed %d, step %d: a set of what is known decides otherwise", seed, step)
			}
			checkNumbers(t, set)
			if prev != nil {
				if !slices.Equal(decisions(prev), before) {
					t.Fatalf("seed %d, step %d: the set before decides otherwise now", seed, step)
				}
				checkNumbers(t, prev)
				for name, p := range set.byName {
					if prev.byName[name] == p {
						shared++
					}
				}
				if len(set.answers) == len(prev.answers) && set.hash != prev.hash {
					reused++
				}
			}
			good++
			prev, before = set, now
		}
	}
	if good < 100 || shared < good || reused == 0 {
		t.Errorf("too little was tried: %d sets, %d policies that are shared, %d times numbers are used again", good, shared, reused)
	}
}

// checkNumbers checks that each answer of a set stands at its number alone.
func checkNumbers(t *testing.T, set *Set) {
	t.Helper()
	stand := func(a *Answer) bool { return a == nil || set.answers[a.ID] == a }
	for _, p := range set.byName {
		if slices.ContainsFunc(p.numbered, func(a *Answer) bool { return !stand(a) }) || !stand(p.answers.Allowed) || !stand(p.answers.Pass) {
			t.Fatalf("an answer of %q does not stand at its number", p.name)
		}
	}
	if !stand(set.pass) || !stand(set.denied.blocked) {
		t.Fatal("an answer of no policy does not stand at its number")
	}
	for id, a := range set.answers {
		if a != nil && a.ID != id {
			t.Fatalf("the answer %d stands at %d", a.ID, id)
		}
	}
}

// TestNumbersAreUsedAgain is about what a service keeps by the number of an answer, which
// must not grow with its reloads.
func TestNumbersAreUsedAgain(t *testing.T) {
	set := mustCompile(t, exampleSpec())
	most := 2 * len(set.Answers())
	for age := range 100 {
		valid, _ := Validate([]Spec{change(func(s *Spec) { s.CORS.MaxAge = ptr(age) })})
		if set = CompileAfter(set, valid); len(set.Answers()) > most {
			t.Fatalf("after %d reloads of one policy there are %d answers", age, len(set.Answers()))
		}
	}
}

// TestEachMemoHasItsOwnRules has two of one spec, of which both are asked again.
func TestEachMemoHasItsOwnRules(t *testing.T) {
	asked := 0
	rule := func(code string) Rules {
		return func(s *Spec, report func(Problem)) {
			asked++
			report(Problem{Level: Warning, Code: code, Value: s.Name})
		}
	}
	spec := func(name string, credentials bool) Spec {
		return Spec{Name: name, Hosts: []string{name + ".test"}, CORS: CORS{AllowOrigins: []string{"https://a.test"}, AllowCredentials: credentials}}
	}
	memos := []*Memo{NewMemo(spec("a", false), rule("first")), NewMemo(spec("b", true), rule("second")), NewMemo(spec("c", false), nil)}
	for range 2 {
		var more []string
		valid := ExamineMemos(memos, func(p Problem) { more = append(more, fmt.Sprint(p.Spec, p.Code, p.Value)) }, func(p Problem) { t.Error(p) })
		if want := []string{"1secondb", "0firsta"}; valid == nil || !slices.Equal(more, want) {
			t.Errorf("%v, the rules say %q, want %q", valid, more, want)
		}
	}
	if asked != 2 {
		t.Errorf("the rules were asked %d times, want each once", asked)
	}
	refused := NewMemo(spec("d", false), func(_ *Spec, report func(Problem)) { report(Problem{Level: Error, Code: "mine"}) })
	if ExamineMemos([]*Memo{refused}, func(Problem) {}, func(p Problem) { t.Error(p) }) != nil {
		t.Error("what a caller's own rule refuses is valid")
	}
}
