package export

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/exporter"
	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/respond"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the first seed of a round trip")
	tripsSet  = flag.Int("trips", 0, "how many sets of policies make a round trip; 0 means some, and with CORSGATE_TEST=full more")
)

// trips returns how many sets of policies are made up.
func trips() int {
	number := 4
	if os.Getenv("CORSGATE_TEST") == "full" {
		number = 12
	}
	return cmp.Or(*tripsSet, number)
}

// perTrip is how many requests are compared.
const perTrip = 600

// TestImportOfAnExportDecidesAlike compares made-up policies with those that an import makes
// of their export: each difference has to be told by one of the two reports.
func TestImportOfAnExportDecidesAlike(t *testing.T) {
	t.Logf("-seed %d -trips %d", *firstSeed, trips())
	for _, to := range exporter.Targets() {
		allowed, different := 0, 0
		for seed := *firstSeed; seed < *firstSeed+uint64(trips()); seed++ {
			random := rand.New(rand.NewPCG(seed, 2))
			trip := roundTrip(t, random, to)
			for range perTrip {
				trip.ask(t, random)
			}
			if t.Failed() {
				t.Fatalf("-seed %d, %s (%+v): the export and the import of it were\n%s\n%s\n%s%s",
					seed, to, trip.options, trip.exported.Document, trip.imported.Text(), told(trip.exported.Findings), trip.imported.Report())
			}
			allowed += trip.allowed
			different += trip.different
		}
		if t.Logf("%s: %d requests were allowed on both sides, and %d went otherwise", to, allowed, different); allowed < trips()*10 || different == 0 {
			t.Errorf("%s: that is too few for the comparison to mean something", to)
		}
	}
}

func told(findings []source.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(string(f.Fidelity) + " [" + f.Policy + "] " + f.Field + " " + f.Value + ": " + f.Message + "\n")
	}
	return b.String()
}

// trip is an export of policies and the import of that.
type trip struct {
	before, after      *policy.Set
	exported           exporter.Result
	imported           importer.Result
	options            importer.Options
	allowed, different int
}

func roundTrip(t *testing.T, random *rand.Rand, to exporter.Target) *trip {
	t.Helper()
	specs := randomSpecs(random)
	for i := range specs {
		randomSettings(random, &specs[i])
	}
	valid := policy.Examine(specs, func(policy.Problem) {})
	if valid == nil {
		_, problems := policy.Validate(specs)
		t.Fatal(problems)
	}
	tr := &trip{before: policy.Compile(valid), options: importer.Options{
		KeepRegexes: random.IntN(2) == 0, Widen: random.IntN(4) == 0,
		Unmatched: oneOf(random, "", policy.UnmatchedForward), Upstream: oneOf(random, "", policy.UpstreamDefer),
	}}
	var err error
	tr.exported, err = exporter.Export(to, exporter.Policies{Specs: valid.Specs(), Locate: func(int, string) source.Place { return source.Place{} }})
	if err != nil {
		t.Fatal(err)
	}
	configs, err := importer.Read(oneOf(random, importer.Auto, string(to)), []source.File{{Path: "exported.yaml", Text: tr.exported.Document}})
	if err != nil {
		t.Fatalf("%v\n%s", err, tr.exported.Document)
	}
	tr.imported = importer.Translate(tr.options, configs...)
	var errors []string
	again := policyfile.Examine(tr.imported.Policies, func(p policy.Problem) {
		if p.Level == policy.Error {
			errors = append(errors, p.String())
		}
	})
	if again == nil {
		t.Fatalf("%q\n%s", errors, tr.imported.Text())
	}
	tr.after = policy.Compile(again)
	return tr
}

// hostileOrigins are nearly what policies allow.
var hostileOrigins = []string{
	"https://a.example.evil.example", "https://evila.example", "https://a.example.", "https://A.example", "http://a.example", "https://a.example:8443", "https://a.example:443", "https://a.example/",
	"https://b.xa.example", "https://app-1.b.a.example", "http://localhost.evil.example", "http://localhost:99999", "https://localhost", "chrome-extension://evil/x", "app://.x", "app://localhost",
	"https://r12xexample", "https://r12.example.evil.example", "https://rx.example", "http://[::1]:3001", "http://[::2]:3000", "*", "https://*", "NULL", "data://x.d.example",
}

// randomSettings sets what the requests of pages show little of, and names that policies
// keep though no page can use them.
func randomSettings(random *rand.Rand, s *policy.Spec) {
	s.UpstreamHeaders = oneOf(random, "", "", "", policy.UpstreamDefer)
	s.DeniedRequests = oneOf(random, "", "", policy.DeniedBlock, policy.DeniedBlockUnsafe)
	s.PreflightStatus = oneOf(random, 0, 200)
	s.PreflightLists = oneOf(random, "", policy.ListsRequested)
	s.AllowPrivateNetwork = random.IntN(4) == 0
	s.Dangerously = append(s.Dangerously, policy.OptInPrivateNetworkAccess)
	s.CORS.AllowMethods = append(s.CORS.AllowMethods, some(random, "TRACE", "OPTIONS")...)
	s.CORS.AllowHeaders = append(s.CORS.AllowHeaders, some(random, "Keep-Alive", "dnt", "access-control-allow-origin")...)
	if random.IntN(8) == 0 {
		for i := range 70 {
			s.CORS.AllowHeaders = append(s.CORS.AllowHeaders, fmt.Sprintf("x-%d", i))
		}
		s.CORS.AllowHeaders = append(s.CORS.AllowHeaders, "x-z")
	}
}

// outcome is what becomes of what a page asks for.
type outcome struct {
	policy policy.Decision // the last one
	// preflighted and reached tell that the application saw the preflight, and the request.
	preflighted, reached bool
	allowed              bool     // the page gets the answer
	sees                 []string // the application's headers that it can read
	maxAge               string   // of the preflight
}

func outcomeOf(set *policy.Set, s sent, plan *browser.Plan, upstream respond.Headers) (o outcome) {
	o.allowed = may(plan, func(method string, headers browser.Headers) browser.Response {
		d, answer := decide(set, s, method, headers, upstream)
		o.policy = d
		passes := d.Answer.Action != policy.Reply
		if _, asks := headers.Get("Access-Control-Request-Method"); asks {
			o.preflighted = passes
			o.maxAge, _ = answer.Headers.Get("Access-Control-Max-Age")
			return answer
		}
		o.reached = passes
		seen, _ := plan.Readable(answer)
		for _, h := range seen {
			if strings.HasPrefix(h.Name, "x-") { // it is not of the protocol
				o.sees = append(o.sees, h.Name)
			}
		}
		slices.Sort(o.sees)
		return answer
	})
	if !o.allowed {
		o.sees, o.maxAge = nil, ""
	}
	return o
}

// ask compares what becomes of a request, and of its preflight if there is one.
func (tr *trip) ask(t *testing.T, random *rand.Rand) {
	t.Helper()
	s := randomRequest(random)
	if random.IntN(8) == 0 {
		s.path = oneOf(random, "/a/../c", "/a%2fb", "/a//b", "/A", "/a;x/b", "/%61", "/a/%2e%2e/d", "/d/./x", "/a/b%zz", "/d?/a/b")
	}
	if random.IntN(4) == 0 {
		s.browser.Origin = oneOf(random, append(tr.witnesses(), hostileOrigins...)...)
	}
	s.browser.Engine = oneOf(random, browser.Engines()...)
	plan := browser.MakePlan(s.browser)
	if plan.Refused != "" {
		return
	}
	upstream := respond.Headers{"x-b": {"1"}, "x-c": {"1"}}
	if random.IntN(4) == 0 {
		for name, value := range own {
			upstream[strings.ToLower(name)] = []string{value}
		}
	}
	was, is := outcomeOf(tr.before, s, &plan, upstream), outcomeOf(tr.after, s, &plan, upstream)
	if was.allowed && is.allowed {
		tr.allowed++
	}
	for _, d := range differences(was, is) {
		tr.different++
		if !tr.tells(was, is, d, upstream) {
			t.Errorf("%s %s%s of %s with %v, credentials %q, in %s, of the application %q: nothing tells that it is %s in %q\nwas %+v\nis  %+v",
				plan.Method, s.host, s.path, s.browser.Origin, s.browser.Headers, s.browser.Credentials, s.browser.Engine, upstream, d.word(), d.fields, was, is)
		}
	}
}

// witnesses are the origins that the reports name.
func (tr *trip) witnesses() (all []string) {
	for _, f := range slices.Concat(tr.exported.Findings, tr.imported.Findings) {
		if f.Origin != "" {
			all = append(all, f.Origin)
		}
	}
	return all
}

// difference is one between two outcomes, and what fields it may come of.
type difference struct {
	fields []string
	wider  bool
}

func (d difference) word() string {
	if d.wider {
		return "wider"
	}
	return "narrower"
}

func differences(was, is outcome) (all []difference) {
	differ := func(was, is bool, fields ...string) {
		if was != is {
			all = append(all, difference{fields, is})
		}
	}
	fields := append(fieldsOf(was), fieldsOf(is)...)
	switch {
	case was.preflighted == is.preflighted && was.allowed == is.allowed:
		differ(was.reached, is.reached, append(fields, "deniedRequests")...)
	case is.preflighted && isStranger(is) && !isStranger(was): // those of all unknown origins reach it
		differ(true, false, fields...)
	case was.preflighted != is.preflighted: // what becomes of the request follows
		fields = append(fields, "unmatchedPreflights")
		differ(was.preflighted, is.preflighted, fields...)
	}
	differ(was.allowed, is.allowed, fields...)
	if was.allowed && is.allowed {
		differ(false, hasMore(is.sees, was.sees), "exposeHeaders")
		differ(hasMore(was.sees, is.sees), false, "exposeHeaders")
		differ(was.maxAge != is.maxAge && was.preflighted == is.preflighted, false, "maxAge")
	}
	return all
}

// isStranger reports whether a policy does not allow the origin.
func isStranger(o outcome) bool {
	return o.policy.Reason == policy.ReasonPreflightOriginDenied || o.policy.Reason == policy.ReasonRequestOriginDenied
}

func hasMore(list, than []string) bool {
	return slices.ContainsFunc(list, func(name string) bool { return !slices.Contains(than, name) })
}

// fieldsOf returns the fields of a policy that an outcome may come of.
func fieldsOf(o outcome) []string {
	switch o.policy.Reason {
	case policy.ReasonPreflightMethodDenied:
		return []string{"allowMethods"}
	case policy.ReasonPreflightHeaderDenied:
		return []string{"allowHeaders"}
	case policy.ReasonPreflightAllowed, policy.ReasonRequestAllowed:
		return nil
	case policy.ReasonPathAmbiguous:
		return []string{"paths"}
	case policy.ReasonNoPolicy, policy.ReasonPolicyOff:
		return []string{"", "hosts", "paths", "mode", "allowOrigins"}
	}
	return []string{"allowOrigins", "allowOriginRegexes"}
}

// tells reports whether one of the reports tells of a difference.
func (tr *trip) tells(was, is outcome, d difference, upstream respond.Headers) bool {
	fields := d.fields
	if len(upstream["access-control-allow-origin"]) > 0 {
		fields = append(slices.Clone(fields), "upstreamHeaders")
	}
	// What is denied of a path with several readings may come of any of their policies.
	several := was.policy.Reason == policy.ReasonPathAmbiguous
	return slices.ContainsFunc(tr.exported.Findings, func(f source.Finding) bool {
		return (f.Policy == was.policy.Policy || several) && d.isToldBy(f, fields)
	}) || slices.ContainsFunc(tr.imported.Findings, func(f source.Finding) bool { return f.Policy == is.policy.Policy && d.isToldBy(f, fields) })
}

func (d difference) isToldBy(f source.Finding, fields []string) bool {
	field, _, _ := strings.Cut(strings.TrimPrefix(f.Field, "cors."), "[")
	if !slices.Contains(fields, field) {
		return false
	}
	switch f.Fidelity {
	case source.Decide, source.Widened:
		return d.wider || f.Fidelity == source.Decide
	case source.Narrowed, source.Dropped, source.Differs:
		return !d.wider
	case source.Clamped, source.Default:
		return field == "maxAge"
	}
	return false
}
