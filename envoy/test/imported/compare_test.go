package imported

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/policyfile"
)

func isFull() bool { return os.Getenv("CORSGATE_TEST") == "full" }

// imported is what came of a configuration.
type imported struct {
	importer.Result
	set *policy.Set
	// send goes through corsgate to the application.
	send importertest.Send
	// entries are the origins of the configuration.
	entries []source.Origin
}

func importOf(t *testing.T, read func([]source.File) (source.Config, error), file source.File) *imported {
	t.Helper()
	config, err := read([]source.File{file})
	if err != nil {
		t.Fatal(err)
	}
	imp := &imported{Result: importer.Translate(importer.Options{}, config)}
	for _, r := range config.Routes {
		if r.CORS != nil {
			imp.entries = append(imp.entries, r.CORS.Origins...)
		}
	}
	imp.send = importertest.Through(t, imp.Policies, application)
	imp.set = policy.Compile(policyfile.Examine(imp.Policies, func(policy.Problem) {}))
	return imp
}

// application answers what the application behind Envoy answers.
func application(string, string, string, browser.Headers) browser.Response {
	return browser.Response{Status: 200, Headers: browser.Headers{{Name: "x-a", Value: "1"}, {Name: "x-b", Value: "1"}, {Name: "x-total", Value: "1"}}}
}

// last returns the decision on which q ended.
func (imp *imported) last(q question) policy.Decision {
	plan := browser.MakePlan(q.Request)
	r := policy.Request{Method: plan.Method, Authority: q.Host, Path: q.Path, Origin: q.Origin}
	if plan.Preflight {
		r.Method, r.RequestMethod = "OPTIONS", plan.Method
		r.RequestHeaders, _ = plan.PreflightHeaders().Get("Access-Control-Request-Headers")
	}
	return imp.set.Decide(&r)
}

// tally counts what was compared.
type tally struct {
	questions, readable int
	told                map[string]int // :: what told of a difference
}

// maxShown is how many differences of a world are shown.
const maxShown = 3

func (c *tally) compare(t *testing.T, seed uint64, native importertest.Send, imp *imported, domains []string, input string) {
	t.Helper()
	r := newRandom(seed + 1<<32)
	shown := 0
	for range perWorld {
		q := r.question(domains)
		was, is := q.Ask(native), q.Ask(imp.send)
		c.questions++
		if was.Read {
			c.readable++
		}
		if was == is {
			continue
		}
		if why := imp.explain(q, was, is); why != "" {
			c.told[why]++
			continue
		}
		if shown++; shown <= maxShown {
			t.Errorf("seed %d: %s\nEnvoy:    %+v\ncorsgate: %+v, by %q, %v\n%s%s%s", seed, q, was, is, imp.last(q).Policy, imp.last(q).Reason, input, imp.Text(), imp.Report())
		}
	}
}

func (c *tally) report(t *testing.T) {
	t.Helper()
	t.Logf("-seed %d: %d questions; the page reads %d of the answers; differences that are told: %v", *firstSeed, c.questions, c.readable, c.told)
	if c.readable == 0 {
		t.Error("nobody was allowed anything: nothing was compared")
	}
}

// explain returns the fidelity and the field of a finding that tells of a difference.
func (imp *imported) explain(q question, was, is importertest.Outcome) string {
	d := imp.last(q)
	for _, f := range imp.Findings {
		if imp.tells(f, d, q, was, is) {
			return string(f.Fidelity) + " " + f.Field
		}
	}
	return ""
}

// tells reports whether f tells of this difference.
func (imp *imported) tells(f source.Finding, d policy.Decision, q question, was, is importertest.Outcome) bool {
	wider := is.Sent && !was.Sent || is.Read && !was.Read
	narrower := was.Sent && !is.Sent || was.Read && !is.Read
	switch {
	case f.Value == "matcher tree": // its virtual host is left out
		return !wider
	case isCondition(f.Value):
		// A policy of a route with a condition may decide about other requests, if it allows less.
		return q.meets(f.Value) || f.Policy != "" && imp.alike(f.Policy, d.Policy) && !wider
	case f.Field == "paths":
		return aboutPath(f, q.Path)
	case f.Field == "other": // Envoy has no filter of that name, and the import did not know
		return true
	case f.Field == "clusters": // chance decides
		return !wider
	case f.Policy != "" && d.Policy != "" && !imp.alike(f.Policy, d.Policy): // what is off, or has no policy, is told of
		return false
	}
	switch f.Field {
	case "allowOrigins":
		return (wider && f.Origin != "" || narrower && f.Fidelity != source.Kept) && imp.matches(f, q.Origin)
	case "exposeHeaders":
		return f.Fidelity == source.Decide && !wider && !narrower && was.MaxAge == is.MaxAge
	case "allowMethods", "allowHeaders":
		if f.Fidelity == source.Widened {
			return wider
		}
		// Fetch, #cors-non-wildcard-request-header-name, which no browser obeys yet.
		return f.Fidelity == source.Differs && narrower && d.Reason == policy.ReasonPreflightHeaderDenied && f.Value == "*"
	}
	return false
}

// alike reports whether two policies say the same: a finding names one of them.
func (imp *imported) alike(one, other string) bool {
	of := map[string]policy.CORS{}
	for _, s := range imp.Policies {
		of[s.Name] = s.CORS
	}
	return reflect.DeepEqual(of[one], of[other])
}

// isCondition reports whether a finding's value is a condition besides host and path.
func isCondition(value string) bool {
	return slices.ContainsFunc([]string{"header ", "query parameter ", "host ", "source "}, func(word string) bool { return strings.HasPrefix(value, word) })
}

// meets reports whether q meets a condition. If it does not, a policy that knows none of it
// decides alike.
func (q question) meets(condition string) bool {
	kind, name, _ := strings.Cut(condition, " ")
	switch kind {
	case "header":
		_, ok := q.Headers.Get(name)
		return ok
	case "host":
		return strings.Contains(q.Host, strings.TrimPrefix(name, "*"))
	case "source":
		return false
	}
	return strings.Contains(q.Path, "?")
}

// aboutPath reports whether a finding is about a path like this one.
func aboutPath(f source.Finding, path string) bool {
	path, _, _ = strings.Cut(path, "?")
	re, err := regexp.Compile("^(?:" + f.Value + ")")
	return strings.HasPrefix(path+"/", f.Value) || err == nil && (re.MatchString(path) || re.MatchString(path+"/"))
}

// matches reports whether the entry that a finding is about allows an origin.
func (imp *imported) matches(f source.Finding, origin string) bool {
	return slices.ContainsFunc(imp.entries, func(o source.Origin) bool {
		re, err := o.Regex.Compile()
		allows := o.Any != source.NotAny || err == nil && re.MatchString(origin)
		return o.Place == f.Place && (allows || f.Fidelity == source.Equal)
	})
}
