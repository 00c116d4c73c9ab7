package importer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/prove"
)

func text(s string) source.Text {
	return source.Text{Place: source.Place{File: "in", Line: 1, Column: 1}, Text: s}
}

func list(items ...string) (n source.Names) {
	n.Place = text("").Place
	for _, item := range items {
		n.Items = append(n.Items, text(item))
	}
	return n
}

func exact(s string) source.Origin { return source.Origin{Text: text(s), Regex: prove.Literal(s)} }

func whole(expr string) source.Origin {
	return source.Origin{Text: text(expr), Regex: prove.Regex{Expr: expr}}
}

func prefix(expr string) source.Origin {
	return source.Origin{Text: text(expr), Regex: prove.Regex{Expr: expr, Mode: prove.Prefix}}
}

// ports lists origins of localhost.
func ports(from, to int) string {
	var all []string
	for p := from; p <= to; p++ {
		all = append(all, fmt.Sprintf("http://localhost:%d", p))
	}
	return strings.Join(all, " ")
}

func search(expr string) source.Origin {
	return source.Origin{Text: text(expr), Regex: prove.Regex{Expr: expr, Mode: prove.Search}}
}

func meant(o source.Origin, patterns ...string) source.Origin {
	o.Meant = patterns
	return o
}

// policyOf translates one route.
func policyOf(o importer.Options, c source.CORS) importer.Result {
	return importer.Translate(o, source.Config{Routes: []source.Route{{Name: "api", Place: text("").Place, CORS: &c}}})
}

// says reports whether the report has a line of that fidelity with each of the texts.
func says(r importer.Result, fidelity source.Fidelity, texts ...string) bool {
	return slices.ContainsFunc(strings.Split(r.Report(), "\n"), func(line string) bool {
		return strings.Contains(" "+line, " "+string(fidelity)+" ") && !slices.ContainsFunc(texts, func(t string) bool { return !strings.Contains(line, t) })
	})
}

func TestOrigins(t *testing.T) {
	keep, widen := importer.Options{KeepRegexes: true}, importer.Options{Widen: true}
	for _, c := range []struct {
		origin      source.Origin
		credentials bool
		options     importer.Options
		written     string // entries of allowOrigins, or of allowOriginRegexes
		fidelity    source.Fidelity
		says        []string
	}{
		{origin: exact("https://a.example"), written: "https://a.example", fidelity: source.Kept},
		{origin: exact("app://."), written: "app://.", fidelity: source.Kept},
		{origin: exact("https://A.example"), fidelity: source.Decide, says: []string{"never matched", "lower case", `add "https://a.example"`}},
		{origin: exact("https://a.example/"), fidelity: source.Decide, says: []string{"never matched", `add "https://a.example"`}},
		{origin: exact("https://*.a.example"), fidelity: source.Decide, says: []string{"never matched", "a star has no meaning", `add "https://*.a.example"`}},
		{origin: exact("http://localhost:*"), fidelity: source.Decide, says: []string{"never matched", `add "http://localhost:*"`}},
		{origin: meant(exact("a.example"), "http://a.example"), fidelity: source.Decide, says: []string{"never matched", `add "http://a.example"`}},
		{origin: exact(""), fidelity: source.Dropped, says: []string{"never matched"}},
		{origin: source.Origin{Text: text("A"), Regex: prove.Regex{Expr: `https://A\.example`, Fold: true}}, written: "https://a.example", fidelity: source.Equal},
		{origin: whole(`https://.*\.a\.example`), written: "https://*.a.example", fidelity: source.Equal, says: []string{"proved"}},
		{origin: whole(`https://.*\.a\.example`), options: keep, written: "https://*.a.example", fidelity: source.Equal},
		{origin: whole(`http://localhost:\d+`), written: "http://localhost:*", fidelity: source.Equal, says: []string{"http://localhost besides, with the default port"}},
		{origin: whole(`https://.*a\.example`), written: "https://a.example https://*.a.example", fidelity: source.Narrowed, says: []string{"https://aa.example, which may be somebody else's"}},
		{origin: whole(`https://.*a\.example`), options: keep, written: `https://.*a\.example`, fidelity: source.Decide, says: []string{"kept as a regex", "origin-regex"}},
		{origin: whole(`https://app\.example\.com(?s:.*)`), written: "https://app.example.com", fidelity: source.Narrowed, says: []string{"https://app.example.com:8080, which is at or below"}},
		{origin: whole(`(?s:.*)\.a\.example`), written: "https://*.a.example http://*.a.example", fidelity: source.Narrowed},
		{origin: whole(`(?s:.*)\.a\.example`), credentials: true, written: "https://*.a.example", fidelity: source.Narrowed, says: []string{"http://sub.a.example"}},
		{origin: search(`localhost:3000$`), credentials: true, written: "https://localhost:3000 http://localhost:3000", fidelity: source.Narrowed},
		{origin: search(`https://a\.example$`), written: "https://a.example", fidelity: source.Equal, says: []string{"the same pages", "which no page has"}},
		{origin: whole(`https://[a-z]+\.a\.example`), written: `https://[a-z]+\.a\.example`, fidelity: source.Decide, says: []string{"no pattern allows the same or less", "--widen writes"}},
		{origin: whole(`https://[a-z]+\.a\.example`), options: widen, written: "https://*.a.example", fidelity: source.Widened, says: []string{"which allow https://", ", too"}},
		{origin: whole(`https://([a-z0-9-]+\.)?a\.example`), written: "https://a.example", fidelity: source.Decide, says: []string{"no longer allows https://a.a.example", `--widen writes "https://a.example", "https://*.a.example"`}},
		{origin: search(`^https?://(?:[a-z]{1,3}\.)?a\.example(:\d+)?$`), written: "http://a.example:* https://a.example:*", fidelity: source.Decide, says: []string{"--widen writes"}},
		{origin: search(`b\.a\.example`), written: "https://b.a.example http://b.a.example", fidelity: source.Decide, says: []string{"http://a.b.a.example, which is at or below", "if it is meant"}},
		{origin: prefix(`https`), written: `(?:https).*`, fidelity: source.Decide, says: []string{"kept as a regex"}},
		{origin: prefix(`https://www\.`), written: `(?:https://www\.).*`, fidelity: source.Decide, says: []string{"kept as a regex"}},
		{origin: whole(`https://www\..*`), written: `https://www\..*`, fidelity: source.Decide, says: []string{"kept as a regex"}},
		{origin: search(`^https?:\/\/.*example.*$`), written: `^https?:\/\/.*example.*$`, fidelity: source.Decide, says: []string{"kept as a regex"}},
		{origin: whole(`http://localhost.*`), written: "http://localhost", fidelity: source.Narrowed},
		{origin: search(`.*`), written: "https://*:* http://*:*", fidelity: source.Narrowed},
		{origin: search(`https?://.*`), written: "http://*:* https://*:*", fidelity: source.Equal},
		{origin: search(`^(.+)$`), written: "https://*:* http://*:*", fidelity: source.Narrowed},
		{origin: search(`^https://(?!evil).*$`), fidelity: source.Decide, says: []string{"no origin is left that is allowed"}},
		{origin: whole(`http://localhost:(3[0-9]{3})`), written: `http://localhost:(3[0-9]{3})`, fidelity: source.Decide, says: []string{`1000 patterns would stand for it, such as "http://localhost:3000"`, "kept as a regex"}},
		{origin: whole(`http://localhost:(30[0-4][0-9])`), written: ports(3000, 3049), fidelity: source.Equal, says: []string{`"http://localhost:3009", and 40 more`}},
		{origin: search(`^https://[a-z]+\.a\.example$`), written: `^https://[a-z]+\.a\.example$`, fidelity: source.Decide},
		{origin: search(`https://[a-z]+\.a\.example:4443`), written: `.*(?:https://[a-z]+\.a\.example:4443).*`, fidelity: source.Decide},
		{origin: whole(`a\.exampl.`), fidelity: source.Dropped, says: []string{"never matched"}},
		{origin: whole(`a\.example`), fidelity: source.Decide, says: []string{"never matched", `add "https://a.example"`}},
		{origin: whole(`(`), fidelity: source.Decide, says: []string{"is left out", "not an RE2 regex"}},
		{origin: whole(`https://a\.example|null`), written: "https://a.example", fidelity: source.Narrowed, says: []string{`"null"`}},
		{origin: exact("null"), credentials: true, written: "null", fidelity: source.Decide, says: []string{"every site can send", "null-origin"}},
		{origin: exact("http://a.example"), credentials: true, written: "http://a.example", fidelity: source.Decide, says: []string{"insecure-origins", `write "https://a.example"`}},
		{origin: whole(`https://.*\.github\.io`), credentials: true, written: "https://*.github.io", fidelity: source.Decide, says: []string{"public-suffix"}},
		{origin: source.Origin{Text: text("*"), Any: source.Star}, written: "*", fidelity: source.Kept},
		{origin: source.Origin{Text: text("*"), Any: source.Star}, credentials: true, written: "*", fidelity: source.Equal, says: []string{"without allowCredentials"}},
		{origin: source.Origin{Text: text(".*"), Any: source.Reflected}, written: "*", fidelity: source.Equal, says: []string{"allows every origin"}},
		{origin: source.Origin{Text: text(".*"), Any: source.Reflected}, credentials: true, written: "*", fidelity: source.Decide, says: []string{"any-origin-with-credentials", "every site", `only "null"`}},
	} {
		r := policyOf(c.options, source.CORS{Origins: []source.Origin{c.origin}, Credentials: c.credentials})
		p := r.Policies[0]
		written := strings.Join(append(p.CORS.AllowOrigins, p.CORS.AllowOriginRegexes...), " ")
		if p.Mode == policy.ModeOff {
			written = ""
		}
		if written != c.written || !says(r, c.fidelity, c.says...) {
			t.Errorf("%q, %+v: written %q, want %q, and %s with %q\n%s", c.origin.Text.Text, c.options, written, c.written, c.fidelity, c.says, r.Report())
		}
	}
}

func TestEntriesThatOthersCoverAreFolded(t *testing.T) {
	r := policyOf(importer.Options{}, source.CORS{Origins: []source.Origin{exact("https://x.a.example"), whole(`https://.*\.a\.example`), exact("https://b.example"), exact("https://b.example")}})
	if got := strings.Join(r.Policies[0].CORS.AllowOrigins, " "); got != "https://*.a.example https://b.example" || !says(r, source.Dropped, `"https://x.a.example"`, `"https://*.a.example" allows it already`) {
		t.Errorf("%s\n%s", got, r.Report())
	}
	r = policyOf(importer.Options{}, source.CORS{Origins: []source.Origin{exact("https://x.a.example"), {Text: text("*"), Any: source.Star}}})
	if got := r.Policies[0].CORS.AllowOrigins; !slices.Equal(got, []string{"*"}) || !says(r, source.Dropped, `"https://x.a.example"`, `"*" allows every origin`) {
		t.Errorf("%q\n%s", got, r.Report())
	}
}

// A policy without origins is off, and has those that were meant, for whoever switches it on.
func TestAPolicyThatAllowedNobodyIsOff(t *testing.T) {
	r := policyOf(importer.Options{}, source.CORS{Origins: []source.Origin{exact("A.example"), exact("https://a.example/x")}, ForwardsUnmatched: true})
	p := r.Policies[0]
	if p.Mode != policy.ModeOff || !slices.Equal(p.CORS.AllowOrigins, []string{"https://a.example"}) || !r.Undecided() || !says(r, source.Decide, "the policy is off", "remove the line with mode") {
		t.Errorf("%+v\n%s", p, r.Report())
	}
	if says(r, source.Differs) {
		t.Errorf("what is off does not differ:\n%s", r.Report())
	}
}

func TestNames(t *testing.T) {
	echo := source.Names{Echo: true}
	for _, c := range []struct {
		cors                     source.CORS
		methods, headers, expose string
		fidelity                 source.Fidelity
		says                     []string
	}{
		{cors: source.CORS{Methods: list("GET, PUT", "OPTIONS")}, methods: "GET PUT", fidelity: source.Dropped, says: []string{`"OPTIONS"`}},
		{cors: source.CORS{Methods: list("put", "get", "PATCH", "patch")}, methods: "PATCH patch", fidelity: source.Decide, says: []string{`"put"`, "add PUT"}},
		{cors: source.CORS{Methods: list("TRACE", "connect")}, methods: "TRACE connect", fidelity: source.Kept, says: []string{"allowMethods"}},
		{cors: source.CORS{Methods: list("PUT", "(")}, fidelity: source.Decide, says: []string{`"("`, "every preflight", "list in allowMethods"}},
		{cors: source.CORS{Methods: echo, Headers: list("x-a x-b")}, fidelity: source.Decide, says: []string{`"x-a x-b"`, "every preflight"}},
		{cors: source.CORS{Methods: list("*", "PUT")}, methods: "*", fidelity: source.Dropped, says: []string{`"PUT"`, `"*" allows it`}},
		{cors: source.CORS{Methods: list("*"), Credentials: true}, methods: "*", fidelity: source.Widened, says: []string{"allowMethods"}},
		{cors: source.CORS{Methods: echo, Credentials: true}, methods: "*", fidelity: source.Equal, says: []string{"whatever a preflight asks for"}},
		{cors: source.CORS{Headers: list("X-A", "x-a", "origin", "Keep-Alive", "sec-x", "access-control-allow-origin")},
			headers: "X-A origin Keep-Alive sec-x access-control-allow-origin", fidelity: source.Kept, says: []string{"allowHeaders"}},
		{cors: source.CORS{Methods: list("PUT"), Headers: list("a b", "x-a")}, fidelity: source.Decide, says: []string{`"a b"`, "every preflight"}},
		{cors: source.CORS{Headers: list("*", "x-a", "Authorization")}, headers: "* Authorization", fidelity: source.Dropped, says: []string{`"x-a"`}},
		{cors: source.CORS{Headers: list("*"), Credentials: true}, headers: "*", fidelity: source.Widened, says: []string{"allowHeaders", "list the names"}},
		{cors: source.CORS{Headers: echo}, headers: "* authorization", fidelity: source.Equal, says: []string{`"*", "authorization"`}},
		{cors: source.CORS{Headers: echo, Credentials: true}, headers: "*", fidelity: source.Equal, says: []string{`written as "*"`}},
		{cors: source.CORS{Headers: source.Names{Items: list("a").Items, Default: true}}, headers: "a", fidelity: source.Default, says: []string{"its default is written out, a"}},
		{cors: source.CORS{Expose: list("x-a", "set-cookie", "Origin")}, expose: "x-a", fidelity: source.Dropped, says: []string{`"set-cookie, Origin"`, "no page can read"}},
		{cors: source.CORS{Expose: list("*", "x-a"), Credentials: true}, expose: "x-a", fidelity: source.Decide, says: []string{"exposeHeaders", "list the names"}},
		{cors: source.CORS{Expose: list("*", "x-a")}, expose: "*", fidelity: source.Dropped, says: []string{`"x-a"`}},
	} {
		c.cors.Origins = []source.Origin{exact("https://a.example")}
		r := policyOf(importer.Options{}, c.cors)
		got := r.Policies[0].CORS
		words := func(list []string) string { return strings.Join(list, " ") }
		if words(got.AllowMethods) != c.methods || words(got.AllowHeaders) != c.headers || words(got.ExposeHeaders) != c.expose || !says(r, c.fidelity, c.says...) {
			t.Errorf("%+v: %+v, want %s with %q\n%s", c.cors, got, c.fidelity, c.says, r.Report())
		}
	}
}

func TestMaxAge(t *testing.T) {
	for _, c := range []struct {
		age      source.MaxAge
		written  int
		fidelity source.Fidelity
	}{
		{source.MaxAge{Seconds: 1728000}, 1728000, source.Kept},
		{source.MaxAge{Seconds: 0}, 0, source.Kept},
		{source.MaxAge{Seconds: 5, Default: true}, 5, source.Default},
		{source.MaxAge{Seconds: -1}, 0, source.Clamped},
		{source.MaxAge{Seconds: 1 << 40}, 1<<31 - 1, source.Clamped},
	} {
		r := policyOf(importer.Options{}, source.CORS{Origins: []source.Origin{{Text: text("*"), Any: source.Star}}, MaxAge: &c.age})
		fidelity := r.Counts()[c.fidelity] > 0
		if got := *r.Policies[0].CORS.MaxAge; got != c.written || !fidelity {
			t.Errorf("%+v: %d, want %d, %s\n%s", c.age, got, c.written, c.fidelity, r.Report())
		}
	}
}

func TestWhatTheSourceDoesOtherwiseIsKeptIfAsked(t *testing.T) {
	cors := source.CORS{Origins: []source.Origin{exact("https://a.example")}, ForwardsUnmatched: true, KeepsUpstream: true, PrivateNetwork: true}
	r := policyOf(importer.Options{}, cors)
	p := r.Policies[0]
	if p.UnmatchedPreflights != "" || p.UpstreamHeaders != "" || !says(r, source.Differs, "--unmatched forward") || !says(r, source.Differs, "--upstream defer") {
		t.Errorf("%+v\n%s", p, r.Report())
	}
	if !p.AllowPrivateNetwork || !p.OptsIn(policy.OptInPrivateNetworkAccess) || !says(r, source.Decide, "private-network-access") {
		t.Errorf("%+v\n%s", p, r.Report())
	}
	keep := importer.Options{Unmatched: policy.UnmatchedForward, Upstream: policy.UpstreamDefer}
	r = policyOf(keep, cors)
	if p := r.Policies[0]; p.UnmatchedPreflights != policy.UnmatchedForward || p.UpstreamHeaders != policy.UpstreamDefer || says(r, source.Differs, "--") || !says(r, source.Differs, "stays as it is") {
		t.Errorf("%+v\n%s", p, r.Report())
	}
	r = policyOf(keep, source.CORS{Origins: cors.Origins})
	if p := r.Policies[0]; p.UnmatchedPreflights != "" || p.UpstreamHeaders != "" {
		t.Errorf("what the source does not do: %+v", p)
	}
}

func TestRehearsal(t *testing.T) {
	o := importer.Options{Rehearse: true}
	r := policyOf(o, source.CORS{Origins: []source.Origin{whole(`https://.*a\.example`)}, ForwardsUnmatched: true, KeepsUpstream: true})
	if len(r.Policies) != 2 {
		t.Fatalf("%s", r.Text())
	}
	was, next := r.Policies[0], r.Policies[1]
	if was.Mode != "" || !slices.Equal(was.CORS.AllowOriginRegexes, []string{`https://.*a\.example`}) || was.UnmatchedPreflights != policy.UnmatchedForward || was.UpstreamHeaders != policy.UpstreamDefer {
		t.Errorf("what was: %+v", was)
	}
	if next.Name != "api-next" || next.Mode != policy.ModeShadow || len(next.CORS.AllowOriginRegexes) > 0 || next.UnmatchedPreflights != policy.UnmatchedForward || next.UpstreamHeaders != policy.UpstreamDefer {
		t.Errorf("what should be: %+v", next)
	}
	if !says(r, source.Narrowed, "[api-next]") {
		t.Error(r.Report())
	}
	o.Unmatched = policy.UnmatchedReject
	if r := policyOf(o, source.CORS{Origins: []source.Origin{exact("https://a.example")}, ForwardsUnmatched: true}); len(r.Policies) != 2 || r.Policies[1].UnmatchedPreflights != "" {
		t.Errorf("%s", r.Text())
	}
	if r := policyOf(importer.Options{Rehearse: true}, source.CORS{Origins: []source.Origin{exact("https://a.example")}, ForwardsUnmatched: true}); len(r.Policies) != 1 {
		t.Errorf("nothing differs, and yet\n%s", r.Text())
	}
}

// In shadow is what changes, and what that would take the requests of. What cannot be in shadow
// is told.
func TestRehearsalShadowsWhatChanges(t *testing.T) {
	c := configOf(false, "h.example / wide", "h.example /same same", "h.example /hole -", "i.example / other", "h.example /gone gone")
	c.Routes[0].CORS.Origins = []source.Origin{whole(`https://.*a\.example`)}
	c.Routes[4].CORS.Origins = []source.Origin{{Text: text(`https://*.*.b.example/*`), Regex: whole(`https://.+\.b\.example/.+|https://[b-z]+\.[b-z]+x\.b\.example\.c`).Regex, Meant: []string{"https://*.b.example"}}}
	r := importer.Translate(importer.Options{Rehearse: true}, c)
	var got []string
	for _, p := range r.Policies {
		if p.Mode == policy.ModeShadow {
			got = append(got, p.Name)
		}
	}
	slices.Sort(got)
	if strings.Join(got, " ") != "same-next wide-next" {
		t.Errorf("%s\n%s", got, r.Text())
	}
	for _, part := range []string{"wide-next counts differences here", "it would be off, which a policy in shadow cannot be"} {
		if !says(r, source.Differs, part) {
			t.Errorf("nothing says %q:\n%s\n%s", part, r.Text(), r.Report())
		}
	}
}

// A line with what somebody has to decide is not part of another one.
func TestDecisionsKeepTheirPlaces(t *testing.T) {
	var c source.Config
	for line := range 3 {
		c.Findings = append(c.Findings, source.Finding{Fidelity: source.Decide, Place: source.Place{File: "in", Line: line + 1, Column: 1}, Message: "nobody understands it"})
	}
	if r := importer.Translate(importer.Options{}, c); strings.Count(r.Report(), "\n") != 3 || !strings.Contains(r.Report(), "in:2:1: decide: nobody understands it\n") {
		t.Error(r.Report())
	}
}

// A piece of a configuration does not say for which hosts it is: a policy for all of them is told.
func TestPiecesAreForEveryHost(t *testing.T) {
	const message = "the policy is for every host"
	piece := source.Route{Place: text("").Place, CORS: &source.CORS{Origins: []source.Origin{exact("https://a.example")}}}
	named, hosts, told := piece, piece, piece
	named.Name, hosts.Hosts = "a", []string{"*"}
	told.Findings = []source.Finding{{Fidelity: source.Differs, Field: "hosts", Message: "told"}}
	for i, route := range []source.Route{piece, named, hosts, told} {
		r := importer.Translate(importer.Options{}, source.Config{Routes: []source.Route{route}})
		if says(r, source.Differs, message) != (i == 0) {
			t.Errorf("%d:\n%s", i, r.Report())
		}
	}
}
