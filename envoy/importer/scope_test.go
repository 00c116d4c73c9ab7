package importer_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// routeOf reads "HOST,HOST PATH,PATH ORIGIN,ORIGIN CONDITION": a host or path of "-" is every one, and an
// origin of "-" nothing. "=" before a path is an exact one, "~" a regex, "^" a prefix of
// text.
func routeOf(line string) source.Route {
	parts := strings.Fields(line)
	r := source.Route{Name: strings.Trim(parts[2], "-"), Place: text("").Place}
	if parts[0] != "-" {
		r.Hosts = strings.Split(parts[0], ",")
	}
	for path := range strings.SplitSeq(parts[1], ",") {
		kind, bare := source.Segments, path
		if i := strings.IndexByte("^=~", path[0]); i >= 0 {
			kind, bare = source.StringPath+source.PathKind(i), path[1:]
		}
		if path != "-" {
			r.Paths = append(r.Paths, source.Path{Text: text(bare), Kind: kind})
		}
	}
	if len(parts) > 3 {
		r.Conditions = []source.Text{text(parts[3])}
	}
	if parts[2] != "-" {
		r.CORS = &source.CORS{}
		for name := range strings.SplitSeq(parts[2], ",") {
			r.CORS.Origins = append(r.CORS.Origins, exact("https://"+name+".example"))
		}
	}
	return r
}

// configOf returns a configuration whose first route that matches counts, or the longest path.
func configOf(first bool, lines ...string) (c source.Config) {
	if first {
		c.Choose = source.First
	}
	for _, line := range lines {
		c.Routes = append(c.Routes, routeOf(line))
	}
	return c
}

func TestScopes(t *testing.T) {
	for _, c := range []struct {
		about  string
		first  bool
		routes []string
		want   string // NAME HOSTS PATHS MODE of each policy
		says   []string
	}{
		{"every host and path", false, []string{"- - a"}, "a [] []", nil},
		{"hosts in other spellings", false, []string{"API.example.com:443,b.example.,* / a"}, "a [] []", []string{"every port"}},
		{"a port and upper case", false, []string{"Shop.example.com:8443 / a"}, "a [shop.example.com] []", []string{"every port"}},
		{"a host that cannot be", false, []string{"*.*.example / a", "b.example / b"}, "b [b.example] []", []string{"decide hosts", "the host is left out", "the route is left out"}},
		{"the longest path wins anyway", false, []string{"h.example / a", "h.example /x b"}, "a [h.example] []; b [h.example] [/x]", nil},
		{"first match takes all", true, []string{"h.example / a", "h.example /x b"}, "a [h.example] []", []string{"dropped: it is never reached: policy a"}},
		{"first match by host", true, []string{"*.example / a", "h.example /x b"}, "a [*.example] []; b [h.example] [/x]", nil},
		{"of two alike the first", false, []string{"h.example /x a", "h.example /x b"}, "a [h.example] [/x]", []string{"never reached: policy a"}},
		{"part of a route is taken", true, []string{"h.example /x a", "h.example,i.example /x,/y b"}, "a [h.example] [/x]; b [h.example] [/y]; b-2 [i.example] [/x /y]", nil},
		{"nothing around nothing", false, []string{"h.example / -", "h.example /x a"}, "a [h.example] [/x]", nil},
		{"a hole", false, []string{"h.example / a", "h.example /x -"}, "a [h.example] []; h-example-x [h.example] [/x] off", nil},
		{"a hole in less specific hosts", false, []string{"*.example /x/y a", "h.example /x -"}, "a [*.example] [/x/y]; h-example-x [h.example] [/x] off", nil},
		{"a hole with something in it", false, []string{"h.example / a", "h.example /x -", "h.example /x/y a"}, "a [h.example] []; h-example-x [h.example] [/x] off; a-2 [h.example] [/x/y]", nil},
		{"prefix of text", false, []string{"h.example ^/x a"}, "a [h.example] [/x]", []string{`differs [a] paths "/x"`, "/xx is not covered any longer"}},
		{"prefix of text beside a hole", false, []string{"h.example / a", "h.example ^/x -"}, "a [h.example] []; h-example-x [h.example] [/x] off", []string{"widened [h-example-x]", "/xx is decided like policy a"}},
		{"a path alone beside a hole", false, []string{"h.example /x/y -", "h.example =/x a"}, "h-example-x-y [h.example] [/x/y] off; a [h.example] [/x]", []string{"widened [a]", "/x/x is covered, too"}},
		{"a hole that is one path", false, []string{"h.example / a", "h.example =/x -"}, "a [h.example] []; h-example-x [h.example] [/x] off", []string{"differs [h-example-x]", "/x/x is not covered any longer"}},
		{"prefix of text beside another", false, []string{"h.example ^/x a", "h.example / b"}, "a [h.example] [/x]; b [h.example] []", []string{`decide [a] paths "/x"`, "/xx is decided like policy b"}},
		{"prefix of text with a slash", false, []string{"h.example ^/x/ a"}, "a [h.example] [/x]", []string{"widened [a]", ": /x is covered, too"}},
		{"prefix of text that is everything", false, []string{"h.example ^/ a", "i.example ^ b"}, "a [h.example] []; b [i.example] []", nil},
		{"segments with a slash behind the same as text", false, []string{"h.example ^/x/ -", "h.example /x/ a"}, "", []string{"differs", "another route takes what is below it", ": /x is not covered any longer"}},
		{"prefix of text that a less specific host lists more of", false, []string{"h.example ^/x -", "- /xy a"}, "h-example-x [h.example] [/xy] off; a [] [/xy]", nil},
		{"one path", false, []string{"h.example =/x a"}, "a [h.example] [/x]", []string{"widened [a]", "/x/x is covered, too"}},
		{"one path in another route", false, []string{"h.example / b", "h.example =/x a"}, "b [h.example] []; a [h.example] [/x]", []string{"decide [a]", "/x/x is decided like policy a"}},
		{"the root alone", false, []string{"h.example =/ a", "h.example / b"}, "b [h.example] []", []string{`decide paths "/"`, ": / is decided like policy b"}},
		{"regex of segments", false, []string{`h.example ~/x(/.*)? a`}, "a [h.example] [/x]", nil},
		{"regex of a prefix", false, []string{`h.example ~^/v1\.0/.* a`}, "a [h.example] [/v1.0]", []string{"widened [a]", "/v1.0 is covered, too"}},
		{"regex", false, []string{`h.example ~/[0-9]+ a`, "h.example / b"}, "b [h.example] []", []string{`decide paths "/[0-9]+": a policy has no regex`}},
		{"a path that cannot be", false, []string{`h.example /*/x a`}, "", []string{"decide paths", "the path is left out"}},
		{"condition with the same", false, []string{"h.example / a header", "h.example / a"}, "a [h.example] []", nil},
		{"condition with something else", false, []string{"h.example / a header", "h.example / b"}, "b [h.example] []", []string{`widened "header"`, "decided like policy b, which allows https://b.example"}},
		{"condition below something else", false, []string{"h.example / b", "h.example /x a header"}, "b [h.example] []", []string{`widened "header"`, "decided like policy b, which allows https://b.example"}},
		{"condition below what allows more", false, []string{"h.example / a,b", "h.example /x a header"}, "a-b [h.example] []; a [h.example] [/x]", []string{`decide [a] "header"`, "it allows less than what is around it"}},
		{"condition in a host of what allows more", false, []string{"- - a,b", "h.example / a header"}, "a-b [] []; a [h.example] []", []string{`decide [a] "header"`}},
		{"condition below what allows less", false, []string{"- - a", "h.example /x a,b header"}, "a [] []", []string{`decide "header"`, "like policy a ("}},
		{"condition at what allows more", true, []string{"h.example /x a header", "h.example /x a,b"}, "a-b [h.example] [/x]", []string{`widened "header"`, "which allows https://b.example"}},
		{"condition at what allows less", true, []string{"h.example /x a,b header", "h.example /x a"}, "a [h.example] [/x]", []string{`decide "header"`, "like policy a ("}},
		{"condition that adds nothing", true, []string{"h.example /x - header", "h.example / a"}, "a [h.example] []", []string{`widened "header"`, "which allows https://a.example"}},
		{"condition behind what takes all", true, []string{"h.example / a,b", "h.example /x a header"}, "a-b [h.example] []", []string{"it is never reached: policy a-b"}},
		{"condition alone", false, []string{"h.example / a header"}, "", []string{`decide "header"`, "by no policy"}},
	} {
		r := importer.Translate(importer.Options{}, configOf(c.first, c.routes...))
		var got []string
		for _, p := range r.Policies {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %v %v %s", p.Name, p.Hosts, p.Paths, p.Mode)))
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %s, want %s\n%s", c.about, strings.Join(got, "; "), c.want, r.Report())
		}
		for _, part := range c.says {
			if !strings.Contains(r.Report(), part) {
				t.Errorf("%s: the report does not say %q:\n%s", c.about, part, r.Report())
			}
		}
		if c.says == nil && (r.Undecided() || r.Counts()[source.Differs] > 0) {
			t.Errorf("%s: there is something to tell:\n%s", c.about, r.Report())
		}
	}
}

// A policy in shadow does not keep requests from what is around it: another one that is off does.
func TestAShadowShieldsNothing(t *testing.T) {
	shadow := routeOf("h.example /x b")
	shadow.CORS.Mode = policy.ModeShadow
	r := importer.Translate(importer.Options{}, source.Config{Routes: []source.Route{routeOf("h.example / a"), shadow}})
	var got []string
	for _, p := range r.Policies {
		got = append(got, fmt.Sprint(p.Name, p.Hosts, p.Paths, p.Mode))
	}
	if text := strings.Join(got, "; "); text != "a[h.example] []; b[h.example] [/x]shadow; b-off[h.example] [/x]off" {
		t.Error(text)
	}
}

// A hole in a policy that only counts stays one if somebody switches the policy on.
func TestAHoleInAShadowIsKept(t *testing.T) {
	c := configOf(false, "h.example / a", "h.example /x -")
	c.Routes[0].CORS.Mode = policy.ModeShadow
	if r := importer.Translate(importer.Options{}, c); len(r.Policies) != 2 || r.Policies[1].Mode != policy.ModeOff {
		t.Errorf("%s\n%s", r.Text(), r.Report())
	}
}

// Of two systems that answer for the same requests, the first one counts.
func TestTwoSystems(t *testing.T) {
	one, two := configOf(true, "h.example / a"), configOf(false, "h.example / b", "h.example /x c")
	r := importer.Translate(importer.Options{}, one, two)
	if len(r.Policies) != 2 || r.Policies[0].Name != "a" || r.Policies[1].Name != "c" || !strings.Contains(r.Report(), "another system in the input answers the same requests by policy a") {
		t.Errorf("%s\n%s", r.Text(), r.Report())
	}
}

func TestNamesOfPolicies(t *testing.T) {
	var config source.Config
	for i, name := range []string{"Web/API v1", "web-api-v1", "", "---", strings.Repeat("x", 80), strings.Repeat("x", 80)} {
		r := routeOf("- /" + fmt.Sprint(i) + " a")
		r.Name = name
		config.Routes = append(config.Routes, r)
	}
	var names []string
	for _, p := range importer.Translate(importer.Options{}, config).Policies {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "web-api-v1 web-api-v1-2 2 imported "+strings.Repeat("x", 50)+" "+strings.Repeat("x", 50)+"-2" {
		t.Error(got)
	}
}

// Regexes for paths are read as the system's engine reads them: on the whole path, or searched for.
func TestRegexesOfPaths(t *testing.T) {
	for _, c := range []struct {
		expr         string
		search, fold bool
		want         string // the path of the policy; empty: none
		says         string
	}{
		{"/x.*", false, false, "/x", "/xx is not covered any longer"},
		{"/x(/.*)?", false, false, "/x", ""},
		{"/x(/.*)?", true, false, "", "a policy has no regex for paths"},
		{"^/x(/.*)?", true, false, "/x", "/xx is not covered any longer"},
		{"^/x(/|$)", true, false, "/x", ""},
		{"/x(/|$)", false, false, "", "a policy has no regex for paths"},
		{"^/x", true, false, "/x", "/xx is not covered any longer"},
		{"^/x$", true, false, "/x", "/x/x is covered, too"},
		{"/x", true, false, "", "a policy has no regex for paths"},
		{"/x", false, false, "/x", "/x/x is covered, too"},
		{"/x/.+", false, false, "/x", "/x/ is covered, too"},
		{"/x(/.+)?", false, false, "/x", "/x/ is covered, too"},
		{"/", true, false, "-", ""},
		{".*", true, false, "-", ""},
		{"/x(/.*)?", false, true, "/x", "/X is not covered any longer"},
		{"(?i)/x(/.*)?", false, false, "/x", "/X is not covered any longer"},
		{`\.php$`, true, false, "", "a policy has no regex for paths"},
	} {
		route := routeOf("h.example - a")
		route.Paths = []source.Path{{Text: text(c.expr), Kind: source.RegexPath, Search: c.search, Fold: c.fold}}
		r := importer.Translate(importer.Options{}, source.Config{Routes: []source.Route{route}})
		got := ""
		for _, p := range r.Policies {
			got = cmp.Or(strings.Join(p.Paths, " "), "-")
		}
		if got != c.want || !strings.Contains(r.Report(), c.says) || c.says == "" && strings.Contains(r.Report(), "paths") {
			t.Errorf("%+v: %q\n%s", c, got, r.Report())
		}
	}
}

// The longest path need not win: the reader says what does.
func TestTheReaderChooses(t *testing.T) {
	c := configOf(false, "h.example / a", "h.example /x b", "h.example ~/x/y.* c")
	c.Choose = func(matching []source.Match) int {
		return max(0, slices.IndexFunc(matching, func(m source.Match) bool { return m.Path.Kind == source.RegexPath }))
	}
	r := importer.Translate(importer.Options{}, c)
	if got := r.Report(); len(r.Policies) != 2 || !strings.Contains(got, "never reached: policy a") {
		t.Errorf("%s\n%s", r.Text(), got)
	}
}

// An input that does nothing about CORS has a line, too.
func TestWhatDoesNothingIsTold(t *testing.T) {
	r := importer.Translate(importer.Options{}, configOf(false, "h.example / -"))
	if len(r.Policies) > 0 || !strings.Contains(r.Report(), "no request gets what the input says about CORS") {
		t.Errorf("%s\n%s", r.Text(), r.Report())
	}
}
