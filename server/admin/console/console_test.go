package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/explain/paste"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/admin/console"
	"github.com/corsgate/corsgate/server/denied"
	"github.com/corsgate/corsgate/server/denied/advice"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/metrics"
	"github.com/corsgate/corsgate/server/recent"
	"github.com/corsgate/corsgate/server/servertest"
)

// noon is when things happened.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// lab is a console over policies, and what decides by them.
type lab struct {
	*httptest.Server
	set       *policy.Set
	status    live.Status
	observers server.Observers
	recent    *recent.Decisions
	envoys    []ecds.Envoy
	con       *console.Console
	fleet     console.Fleet
	unheard   error // of Fleet
	busy      error // of Work
}

// specs are the policies of the tests.
var specs = []policy.Spec{
	{Name: "api", Hosts: []string{"api.test"}, Paths: []string{"/v1"}, CORS: policy.CORS{
		AllowOrigins: []string{"https://app.test", "https://*.apps.test", "https://idle.test"}, AllowOriginRegexes: []string{`https://pr-[0-9]+\.test`},
		AllowMethods: []string{"PUT"}, AllowCredentials: false,
	}, Dangerously: []policy.OptIn{policy.OptInOriginRegex}},
	{Name: "public", Hosts: []string{"public.test"}, CORS: policy.CORS{AllowOrigins: []string{"*"}}},
	{Name: "next", Hosts: []string{"api.test"}, Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{"https://next.test"}}},
	{Name: "closed", Hosts: []string{"closed.test"}, DeniedRequests: policy.DeniedBlock, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}, AllowCredentials: true}},
}

// off is a policy that is not in force.
var off = policy.Spec{Name: "off", Mode: policy.ModeOff, Hosts: []string{"off.test", "xn--bcher-kva.test"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}}

func newLab(t *testing.T, specs ...policy.Spec) *lab {
	t.Helper()
	l := &lab{recent: &recent.Decisions{}}
	m, tracker := metrics.New("test"), &denied.Tracker{Advise: advice.From(func() *policy.Set { return l.set })}
	l.observers = server.Observers{m, tracker, l.recent}
	l.status = live.Status{Version: "v9"}
	if specs != nil {
		l.set = policytest.Compile(t, specs...)
		l.status = live.Status{Version: "v9", Ready: true, Generation: 3, Hash: l.set.Hash(), LoadedAt: noon, Policies: len(specs), ServedFrom: live.FromSource}
		for _, s := range []live.Sink{m, tracker, l.recent} {
			servertest.Prepare(t, s, l.set)()
		}
	}
	l.con = console.New(console.Config{
		Status: func() live.Status { return l.status }, Set: func() *policy.Set { return l.set },
		Counts: func() iter.Seq[console.Count] {
			return func(yield func(console.Count) bool) {
				for n := range m.Counts() {
					if !yield(console.Count(n)) {
						return
					}
				}
			}
		},
		Denied: tracker.List, Recent: l.recent, Envoys: func() []ecds.Envoy { return l.envoys },
		Place: "policies/", Read: paste.Any, Fleet: func(context.Context) (console.Fleet, error) { return l.fleet, l.unheard },
		Work: func(_ context.Context, f func()) error {
			if l.busy == nil {
				f()
			}
			return l.busy
		},
	})
	servertest.Run(t, l.con.Run)
	l.Server = httptest.NewServer(l.con)
	t.Cleanup(l.Close)
	return l
}

// noCounts are those of a service that has no policies.
func noCounts() iter.Seq[console.Count] { return func(func(console.Count) bool) {} }

// decide has a request decided and observed as Envoy's are.
func (l *lab) decide(r policy.Request) {
	d := l.set.Decide(&r)
	l.observers.Observe(context.Background(), &r, &d)
}

// tell has a request decided and observed as one of which an Envoy tells.
func (l *lab) tell(origin, host string) {
	r := get(origin, host, "/")
	d := l.set.Decide(&r)
	l.recent.Compiled().Observe(context.Background(), &r, &d)
}

// get is a simple request of an origin.
func get(origin, host, path string) policy.Request {
	return policy.Request{Method: "GET", Authority: host, Path: path, Origin: origin}
}

// ask returns the answer; headers are "name: value".
func (l *lab) ask(t *testing.T, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	return servertest.Ask(t, method, l.URL+path, body, headers...)
}

// page returns the text of a page, with one space between words.
func (l *lab) page(t *testing.T, path string) string {
	t.Helper()
	resp, body := l.ask(t, "GET", path, "", "Accept: text/html")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%s: %d %s\n%s", path, resp.StatusCode, resp.Header, body)
	}
	return textOf(t, body)
}

func textOf(t *testing.T, body string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for n := range doc.Descendants() {
		if n.Type == html.TextNode {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(words, " ")
}

// json decodes the JSON of a page.
func (l *lab) json(t *testing.T, path string, into any) {
	t.Helper()
	resp, body := l.ask(t, "GET", path, "", "Accept: application/json")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %d %s", path, resp.StatusCode, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%s: %v\n%s", path, err, body)
	}
}

// wants fails unless text has all of these.
func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in\n%s", p, text)
		}
	}
}

func TestOverview(t *testing.T) {
	l := newLab(t, specs...)
	l.envoys = []ecds.Envoy{{Node: "edge-1", Address: "192.0.2.1:7", State: ecds.Waiting}}
	l.decide(get("https://app.test", "api.test", "/v1"))
	l.decide(get("https://evil.test", "api.test", "/v1"))
	l.decide(get("https://evil.test", "closed.test", "/"))
	wants(t, l.page(t, "/console/"), "Generation 3", l.set.Hash(), "2026-03-01 12:00:00 UTC", "the source", "Accepted.",
		"request_allowed", "request_blocked", "api 1 1 0 0 0 0", "closed 0 0 1 0 0 0", "next 0 0 0 0 2 1", "edge-1 192.0.2.1:7 waiting")
	var o struct {
		Status live.Status
		Rates  []struct {
			Reason string
			Total  uint64
		}
		Policies []struct {
			Policy          string
			Allowed, Denied uint64
		}
		Envoys []ecds.Envoy
	}
	l.json(t, "/console/", &o)
	if o.Status.Generation != 3 || len(o.Rates) != 3 || o.Rates[0].Total != 1 || o.Policies[0].Policy != "api" || o.Policies[0].Denied != 1 || len(o.Envoys) != 1 {
		t.Errorf("%+v", o)
	}
}

func TestOverviewShowsARefusedLoadWithItsMistakes(t *testing.T) {
	l := newLab(t)
	wants(t, l.page(t, "/console/"), "There are no policies", "The last load There was none yet.", "Nothing is known to be decided yet.")
	if _, body := l.ask(t, "GET", "/console/", "", "Accept: application/json"); !strings.Contains(body, `"rates": []`) {
		t.Errorf("no list of no rates: %s", body)
	}
	l.status.LastError = &live.Failure{At: noon, Message: "refused <b>\x1b", Diagnostics: []policyfile.Diagnostic{
		{File: "p.yaml", Line: 4, Column: 20, Level: policy.Error, Code: "origin-path", Field: "policies[0].cors", Value: "https://a.test/<i>", Reason: "it has a path", Hint: "write https://a.test"},
	}}
	wants(t, l.page(t, "/console/"), `refused <b>\x1b`, "p.yaml:4:20 error origin-path policies[0].cors : https://a.test/<i> : it has a path (write https://a.test)")
	if strings.Contains(l.page(t, "/console/"), "goes on to serve") {
		t.Error("nothing served before")
	}
	l.status.Ready = true
	wants(t, l.page(t, "/console/"), "What served before goes on to serve.")
}

func TestOverviewWarnsOfTheLastKnownGood(t *testing.T) {
	l := newLab(t, specs...)
	l.status.ServedFrom, l.status.StateAt = live.FromState, noon
	warning := "What serves are the last known good policies, of 2026-03-01 12:00:00 UTC. They may be older than what policies/ has: "
	for why, last := range map[string]*live.Failure{
		"it was not read yet.":                          nil,
		"it was not read, or is refused: etcd is away.": {At: noon, Message: "etcd is away"},
	} {
		l.status.LastError = last
		text := l.page(t, "/console/")
		wants(t, text, warning+why, "Found in the state, a copy of what served before the start")
		if strings.Contains(text, "Accepted") {
			t.Errorf("a load is said to be accepted\n%s", text)
		}
		var o struct{ Warning string }
		if l.json(t, "/console/", &o); o.Warning != warning+why {
			t.Errorf("the JSON warns %q", o.Warning)
		}
	}
}

func TestOverviewShowsTheFleet(t *testing.T) {
	l := newLab(t, specs...)
	l.fleet = console.Fleet{Revision: 7, At: noon, By: "ann <b>", Message: "new shop\x1b", Instances: []console.Instance{
		{Name: "gw-1", Revision: 7, Serves: true, Standing: "ready"},
		{Name: "gw-2", Revision: 6, Standing: "refused: policies", Details: []string{"last known good", "zone=eu"}},
		{Name: "gw-3", Standing: "silent"},
	}}
	wants(t, l.page(t, "/console/"), "the source: policies/", " ago", `The store has revision 7 of 2026-03-01 12:00:00 UTC , pushed by ann <b> : new shop\x1b`,
		"gw-1 7 yes ready", "gw-2 6 no refused: policies last known good; zone=eu", "gw-3 none no silent")
	var o struct{ Fleet console.Fleet }
	if l.json(t, "/console/", &o); o.Fleet.By != "ann <b>" || len(o.Fleet.Instances) != 3 {
		t.Errorf("%+v", o)
	}
	l.fleet = console.Fleet{}
	wants(t, l.page(t, "/console/"), "Nothing was pushed", "No instance reports itself.")
	l.unheard = errors.New("etcd is away")
	wants(t, l.page(t, "/console/"), "The store does not say how its instances stand: etcd is away.")
}

func TestPagesSayOfWhichInstanceTheyAre(t *testing.T) {
	l := newLab(t, specs...)
	if text := l.page(t, "/console/"); strings.Contains(text, "(this one)") || !strings.HasPrefix(text, "Overview – corsgate Skip") {
		t.Errorf("an instance without a name has one\n%s", text)
	}
	l.con.Instance = "gw-2<b>"
	l.fleet = console.Fleet{Instances: []console.Instance{{Name: "gw-1"}, {Name: "gw-2<b>"}}}
	text := l.page(t, "/console/")
	wants(t, text, "Overview – gw-2<b> – corsgate", "corsgate gw-2<b> Overview", "gw-2<b> (this one) none no", "gw-1 none no")
	wants(t, l.page(t, "/console/denied"), "Denied – gw-2<b> – corsgate")
	var o struct{ Instance string }
	if l.json(t, "/console/", &o); o.Instance != "gw-2<b>" {
		t.Errorf("the JSON is of %q", o.Instance)
	}
}

func TestPoliciesAreFound(t *testing.T) {
	l := newLab(t, append([]policy.Spec{off}, specs...)...)
	for name, c := range map[string]struct {
		query string
		names string
		text  string
	}{
		"all":                                    {"", "off api public next closed", "5 policies of 5"},
		"by URL, with the shadow's":              {"?url=api.test/v1/x", "api next", "Policy api decides about api.test/v1/x ."},
		"by a whole URL with port and query":     {"?url=https://API.test:8443/v1%3Fq=1", "api next", "Policy api decides"},
		"by a URL that only the shadow covers":   {"?url=api.test/v2", "next", "No policy in force decides about"},
		"by a URL of nobody":                     {"?url=other.test", "", "No policy matches."},
		"by origin":                              {"?origin=https://app.test", "api public closed", "may read ( request_allowed )"},
		"by an origin of a star":                 {"?origin=https://a.apps.test", "api public", "may read"},
		"by URL and origin, which is denied":     {"?url=closed.test&origin=https://evil.test", "closed", "may not read ( request_blocked )"},
		"by a page":                              {"?origin=https://App.test/index.html%3Fx", "api public closed", "may read ( request_allowed )"},
		"by a host as people write it":           {"?url=b%C3%BCcher.test", "off", "Policy off decides"},
		"by a URL and a page of its own":         {"?url=closed.test/&origin=https://closed.test", "closed", "may read ( same_origin )"},
		"by a URL of a policy that is off":       {"?url=off.test&origin=https://evil.test", "off", "is left to the application ( policy_off )"},
		"by a path with several readings":        {"?url=api.test/v1%252Fx", "api next", "The path can be read in more than one way"},
		"by an origin that a shadow would allow": {"?origin=https://next.test", "public next", "shadow"},
	} {
		t.Run(name, func(t *testing.T) {
			var f struct{ Policies []struct{ Name string } }
			l.json(t, "/console/policies"+c.query, &f)
			var names []string
			for _, p := range f.Policies {
				names = append(names, p.Name)
			}
			if got := strings.Join(names, " "); got != c.names {
				t.Errorf("found %q, want %q", got, c.names)
			}
			wants(t, l.page(t, "/console/policies"+c.query), c.text)
		})
	}
}

// TestTheSearchAgreesWithDecide asks about each URL for each origin.
func TestTheSearchAgreesWithDecide(t *testing.T) {
	wide := policy.Spec{Name: "wide", Hosts: []string{"*.test"}, CORS: policy.CORS{AllowOrigins: []string{"*"}}}
	l := newLab(t, append([]policy.Spec{wide, off}, specs...)...)
	for _, host := range []string{"api.test", "public.test", "closed.test", "off.test", "other.test", "nobody.example"} {
		for _, path := range []string{"", "/", "/v1", "/v1/x", "/v1%2Fx", "/v1/../v2", "/v2;/../v1", "/v1?x=/v2", "?x=1"} {
			for _, origin := range []string{"https://app.test", "https://api.test", "https://next.test", "https://evil.test", "https://pr-7.test", "app://app.test", "null"} {
				l.agrees(t, host, path, origin)
			}
		}
	}
}

// agrees fails unless the search says what Decide does of a GET.
func (l *lab) agrees(t *testing.T, host, path, origin string) {
	t.Helper()
	sent := path
	if !strings.HasPrefix(sent, "/") {
		sent = "/" + sent // as a browser does
	}
	r := get(origin, host, sent)
	d := l.set.Decide(&r)
	want := map[string]string{}
	for _, v := range []policy.Verdict{d.Verdict, d.Shadow} {
		if v.Policy != "" {
			want[v.Policy] = v.Reason.String()
		}
	}
	var f struct {
		Chosen   string
		Policies []struct {
			Name, Reason string
			Allowed      bool
		}
	}
	l.json(t, "/console/policies?"+url.Values{"url": {host + path}, "origin": {origin}}.Encode(), &f)
	got := map[string]string{}
	for _, p := range f.Policies {
		got[p.Name] = p.Reason
		if reads := p.Reason == "request_allowed" || p.Reason == "same_origin"; p.Allowed != reads {
			t.Errorf("%s%s from %s: allowed is %t with %s", host, path, origin, p.Allowed, p.Reason)
		}
	}
	if !maps.Equal(got, want) || f.Chosen != d.Policy {
		t.Errorf("%s%s from %s: %s decides, %v, want %s, %v", host, path, origin, f.Chosen, got, d.Policy, want)
	}
}

func TestASearchSaysWhatToWrite(t *testing.T) {
	l := newLab(t, specs...)
	for query, want := range map[string]string{
		"?origin=app.test":               `No browser sends the origin "app.test", write it as in https://app.example.com.`,
		"?origin=https://APP.test/x/y":   "",
		"?origin=null":                   "",
		"?url=" + url.QueryEscape("a b"): "Read the URL",
		"?url=ftp://api.test":            "write it as in https://api.example.com/v1",
	} {
		code := http.StatusOK
		if want != "" {
			code = http.StatusBadRequest
		}
		resp, body := l.ask(t, "GET", "/console/policies"+query, "")
		if resp.StatusCode != code {
			t.Errorf("%s: %d", query, resp.StatusCode)
		}
		wants(t, textOf(t, body), want)
	}
}

func TestAPolicySaysWhichEntriesAreUsed(t *testing.T) {
	l := newLab(t, specs...)
	l.tell("https://app.test", "public.test")
	servertest.Prepare(t, l.recent, policytest.Compile(t))()
	servertest.Prepare(t, l.recent, l.set)() // since now
	wants(t, l.page(t, "/console/policies/api"), "PUT", "It is not known which entries are unused: no decision was looked at since 20", "https://idle.test not known")
	for _, origin := range []string{"https://app.test", "https://a.apps.test", "https://b.apps.test", "https://evil.test", "https://pr-7.test"} {
		l.decide(get(origin, "api.test", "/v1"))
	}
	text := l.page(t, "/console/policies/api")
	wants(t, text, "Of the decisions that this instance knows since 20", "5 of 5 were looked at (100.0 %)", "https://app.test 1", "https://*.apps.test 2", "https://idle.test unused since 20", "in 100.0 % of the decisions that this instance knows", "(regex) 1")
	var d struct {
		Policy  policy.Spec
		Origins []struct {
			Entry  string
			Used   uint64
			Unused bool
		}
		Use struct {
			Since      time.Time
			Seen, Kept uint64
		}
	}
	l.json(t, "/console/policies/api", &d)
	if d.Policy.Name != "api" || len(d.Origins) != 4 || d.Origins[1].Used+d.Origins[0].Used < 3 || d.Use.Kept != 5 || time.Since(d.Use.Since) > time.Hour {
		t.Errorf("%+v", d)
	}
	for _, o := range d.Origins {
		if o.Unused != (o.Entry == "https://idle.test") {
			t.Errorf("%+v", o)
		}
	}
}

// TestUseIsOfTheEntriesThatAllow compares what is said of each entry with what a policy that
// has no other decides.
func TestUseIsOfTheEntriesThatAllow(t *testing.T) {
	came := []string{"https://app.test", "https://a.apps.test", "https://apps.test", "http://app.test", "https://app.test:8443", "null", "file://", "app://localhost", "capacitor://localhost", "content://files", "content://files.more", "https://pr-7.test", "https://[::1]", "https://127.0.0.1"}
	entries := []origin{
		{"https://app.test", false}, {"https://*.apps.test", false}, {"http://*", false}, {"https://app.test:*", false}, {"null", false}, {"app://localhost", false}, {"capacitor://localhost", false}, {"content://files", false}, {"*", false}, {`https://pr-[0-9]+\.test`, true}, {".*", true}, {`https://\[::1\]`, true},
	}
	for _, credentials := range []bool{false, true} {
		for _, e := range entries {
			e.agrees(t, credentials, came)
		}
	}
}

// origin is an entry of a policy.
type origin struct {
	entry string
	regex bool
}

// policies are one of the entry alone, and one of all else, too.
func (o origin) policies(credentials bool) (alone, among policy.Spec) {
	alone = policy.Spec{Name: "p", CORS: policy.CORS{AllowCredentials: credentials}, Dangerously: []policy.OptIn{
		policy.OptInOriginRegex, policy.OptInAnyOriginWithCredentials, policy.OptInNullOrigin, policy.OptInInsecureOrigins, policy.OptInPublicSuffix}}
	if o.regex {
		alone.CORS.AllowOriginRegexes = []string{o.entry}
	} else {
		alone.CORS.AllowOrigins = []string{o.entry}
	}
	if among = alone; o.entry == "*" {
		return alone, among // it stands alone
	}
	among.CORS.AllowOrigins = slices.Concat(alone.CORS.AllowOrigins, []string{"null", "app://localhost", "capacitor://localhost", "content://files", "https://*"})
	return alone, among
}

func (o origin) agrees(t *testing.T, credentials bool, came []string) {
	t.Helper()
	alone, among := o.policies(credentials)
	l, set := newLab(t, among), policytest.Compile(t, alone)
	want := uint64(0)
	for _, from := range came {
		r := get(from, "api.test", "/")
		l.decide(r)
		if d := set.Decide(&r); d.Reason.Allows() {
			want++
		}
	}
	var d struct {
		Origins []struct {
			Entry string
			Used  uint64
		}
	}
	l.json(t, "/console/policies/p", &d)
	for _, e := range d.Origins {
		if e.Entry == o.entry && e.Used != want {
			t.Errorf("%s, credentials %t: used %d times, want %d", e.Entry, credentials, e.Used, want)
		}
	}
}

// TestNothingIsUnusedIfEnvoysDoNotTell has Envoys that decide by themselves, and ask about
// one request.
func TestNothingIsUnusedIfEnvoysDoNotTell(t *testing.T) {
	l := newLab(t, specs...)
	l.decide(get("https://app.test", "api.test", "/v1"))
	type answer struct {
		Origins []struct {
			Entry  string
			Used   uint64
			Unused bool
		}
		Use struct{ Doubt string }
	}
	check := func(doubted bool) {
		t.Helper()
		var a answer
		l.json(t, "/console/policies/api", &a)
		if strings.Contains(a.Use.Doubt, "--feed") != doubted || a.Origins[0].Used != 1 || a.Origins[0].Unused {
			t.Errorf("%+v", a)
		}
		for _, o := range a.Origins[1:] {
			if o.Unused == doubted {
				t.Errorf("%+v", o)
			}
		}
	}
	check(true)
	wants(t, l.page(t, "/console/policies/api"), "It is not known which entries are unused: Envoys get compiled policies", "https://app.test 1", "https://idle.test not known")
	l.tell("https://next.test", "public.test")
	check(false)
	if text := l.page(t, "/console/policies/api"); strings.Contains(text, "not known") {
		t.Error(text)
	}
}

func TestPoliciesSayHowManyEntriesAreUnused(t *testing.T) {
	l := newLab(t, append([]policy.Spec{off, manyOrigins(201)}, specs...)...)
	l.decide(get("https://app.test", "api.test", "/v1"))
	check := func(want map[string]int) {
		t.Helper()
		var f struct {
			Policies []struct {
				Name   string
				Unused *int
				Use    struct {
					Since time.Time
					Doubt string
				}
			}
		}
		l.json(t, "/console/policies", &f)
		got := map[string]int{}
		for _, p := range f.Policies {
			if p.Unused != nil {
				got[p.Name] = *p.Unused
			}
			if p.Use.Since.IsZero() || (p.Use.Doubt == "") != (p.Unused != nil || p.Name == "many" && want != nil) {
				t.Errorf("%+v", p)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	check(nil) // no Envoy tells
	wants(t, l.page(t, "/console/policies"), "api.test /v1 4 not known", "many.test every 201 not known")
	l.tell("https://other.test", "public.test")
	check(map[string]int{"api": 3, "public": 0, "next": 1, "closed": 1})
	text := l.page(t, "/console/policies")
	wants(t, text, "api.test /v1 4 3 since 20", "in 100.0 % of the decisions", "those that this instance knows", "201 not counted", "off.test , xn--bcher-kva.test every 1 not known")
}

func TestNothingIsUnusedOfAPolicyThatIsOff(t *testing.T) {
	l := newLab(t, off)
	l.decide(get("https://app.test", "off.test", "/"))
	wants(t, l.page(t, "/console/policies/off"), "It is not known which entries are unused: the policy is off, and allows nothing.", "https://app.test not known")
}

func TestALongPolicyHasPages(t *testing.T) {
	s := policy.Spec{Name: "long", CORS: policy.CORS{}}
	for i := range 450 {
		s.CORS.AllowOrigins = append(s.CORS.AllowOrigins, "https://a"+strings.Repeat("b", i%60)+string(rune('a'+i/60))+".test")
	}
	l := newLab(t, s)
	seen, path := 0, "/console/policies/long"
	for next := 1; next > 0; {
		var d struct {
			Origins []struct{}
			Next    int
		}
		l.json(t, path, &d)
		seen, next = seen+len(d.Origins), d.Next
		path = "/console/policies/long?from=" + jsonNumber(next)
	}
	if seen != 450 {
		t.Errorf("%d entries on all pages", seen)
	}
	for _, from := range []string{"-5", "x", "99999999999999999999"} {
		l.page(t, "/console/policies/long?from="+from)
	}
}

func jsonNumber(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestWhatIsNotThereSaysSo(t *testing.T) {
	l := newLab(t, specs...)
	for path, want := range map[string]string{
		"/console/nothing": "no such page", "/console/policies/nobody": "No policy of that name serves now.",
	} {
		resp, body := l.ask(t, "GET", path, "")
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
		wants(t, body, want)
	}
	l.busy = errors.New("too many wait")
	resp, body := l.ask(t, "GET", "/console/policies", "", "Accept: application/json")
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("busy: %d", resp.StatusCode)
	}
	wants(t, body, `"error": "too many wait"`)
	resp, body = newLab(t).ask(t, "GET", "/console/policies", "")
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("no policies: %d", resp.StatusCode)
	}
	wants(t, body, "no policies yet")
}

func TestManyPoliciesHavePages(t *testing.T) {
	l := newLab(t, manyPolicies(450)...)
	seen := map[string]bool{}
	for _, from := range []string{"-5", "x", "200", "400", "450"} {
		var f struct {
			Policies []struct{ Name string }
			More     int
		}
		l.json(t, "/console/policies?origin=https://app.test&from="+from, &f)
		for _, p := range f.Policies {
			seen[p.Name] = true
		}
		if from == "200" && f.More != 50 || len(f.Policies) > 200 {
			t.Errorf("from %s: %d, and %d more", from, len(f.Policies), f.More)
		}
	}
	if len(seen) != 450 {
		t.Errorf("%d policies on all pages", len(seen))
	}
	_, body := l.ask(t, "GET", "/console/policies?origin=https://app.test", "")
	wants(t, body, `href="/console/policies?from=200&amp;origin=https%3A%2F%2Fapp.test&amp;url="`)
}
