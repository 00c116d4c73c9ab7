package kong_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/kong"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy/browser"
)

// routed is a route of Kong.
type routed struct {
	hosts, paths []string
	priority     int
	cors         bool
}

// weigh is get_priority of kong/router/transform.lua for one of the paths of a route, or for "" if it has no paths.
func (r routed) weigh(path string) uint64 {
	var weight, priority uint64
	for _, list := range [][]string{r.hosts, r.paths} {
		if len(list) > 0 {
			weight++
		}
	}
	if len(r.hosts) > 0 && !slices.ContainsFunc(r.hosts, func(h string) bool { return strings.Contains(h, "*") }) {
		priority |= 1 << 60
	}
	if strings.HasPrefix(path, "~") {
		priority |= 1<<51 | uint64(r.priority)<<19
	} else {
		priority |= uint64(len(path))
	}
	return weight<<61 | priority
}

// matches reports whether a path of a route matches a request.
func (r routed) matches(path, host, text string) bool {
	isHost := len(r.hosts) == 0 || slices.Contains(r.hosts, host) || slices.ContainsFunc(r.hosts, func(h string) bool {
		return strings.HasPrefix(h, "*") && strings.HasSuffix(host, h[1:])
	})
	if expr, isRegex := strings.CutPrefix(path, "~"); isRegex {
		return isHost && regexp.MustCompile("^(?:"+expr+")").MatchString(text)
	}
	return isHost && strings.HasPrefix(text, path)
}

// winner is the route that Kong takes, or -1.
func winner(routes []routed, host, text string) int {
	best, most := -1, uint64(0)
	for i, r := range routes {
		for _, path := range append(r.paths, "")[:max(1, len(r.paths))] {
			if weight := r.weigh(path); r.matches(path, host, text) && (best < 0 || weight > most) {
				best, most = i, weight
			}
		}
	}
	return best
}

func randomRoute(r *rand.Rand) routed {
	lists := [][]string{{"a.test"}, {"a.test"}, {"a.test", "b.test"}, {"*.test"}, {"a.test", "*.test"}, nil}
	out := routed{hosts: lists[r.IntN(len(lists))], cors: r.IntN(2) == 0, priority: r.IntN(3)}
	paths := []string{"/", "/api", "/api/v1", "/admin", "~/api", "~/api/v1$", "~/adm", "~/(a|b)"}
	for range r.IntN(3) {
		out.paths = append(out.paths, paths[r.IntN(len(paths))])
	}
	return out
}

// TestPrecedence compares which route Kong takes with the imported policies.
func TestPrecedence(t *testing.T) {
	var tally importertest.Tally
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 5))
		var routes []routed
		text := "_format_version: \"3.0\"\nroutes:\n"
		for n := range 1 + r.IntN(5) {
			route := randomRoute(r)
			routes = append(routes, route)
			text += fmt.Sprintf("- {name: r%d, hosts: [%s], paths: [%s], regex_priority: %d", n, quoted(route.hosts), quoted(route.paths), route.priority)
			if route.cors {
				text += ", plugins: [{name: cors, config: {origins: ['https://app.example.com'], methods: [GET], headers: [x-a]}}]"
			}
			text += "}\n"
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			result, through := importertest.Import(t, kong.Read, text)
			for _, host := range []string{"a.test", "b.test", "c.test"} {
				for _, path := range []string{"/", "/x", "/api", "/api/", "/apix", "/api/v1", "/api/v1/x", "/admin", "/admin/x", "/adminx", "/b"} {
					answer := through(http.MethodGet, host, path, browser.Headers{{Name: "Origin", Value: "https://app.example.com"}})
					_, is := answer.Headers.Get("Access-Control-Allow-Origin")
					n := winner(routes, host, path)
					switch was := n >= 0 && routes[n].cors; {
					case was == is:
						tally.Same++
					case told(result, path, is):
						tally.Excused++
					default:
						t.Fatalf("%s%s: Kong takes r%d, which allows it: %v; corsgate: %v\n%s%s%s", host, path, n, was, is, text, result.Text(), result.Report())
					}
				}
			}
		})
	}
	tally.Check(t, 4)
}

func quoted(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "'" + strings.Join(list, "', '") + "'"
}

// told reports whether the report has a word for a difference of scope at a path, which the text
// of a finding matches from its beginning on, or is below.
func told(r importer.Result, path string, wider bool) bool {
	return slices.ContainsFunc(r.Findings, func(f source.Finding) bool {
		return f.Field == "paths" && regexp.MustCompile("^(?:"+strings.TrimSuffix(f.Value, "$")+")").MatchString(path) && (f.Fidelity == source.Widened || f.Fidelity == source.Decide || !wider && f.Fidelity == source.Differs)
	})
}
