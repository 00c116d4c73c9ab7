package traefik_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/traefik"
	"github.com/corsgate/corsgate/envoy/importer/tree"
	"github.com/corsgate/corsgate/policy/browser"
)

// program builds what has the middleware of Traefik in it, if the cache does not have it.
// That takes minutes.
func program(t *testing.T) string {
	t.Helper()
	sum := sha256.New()
	for _, name := range []string{"go.mod", "main.go"} {
		text, err := os.ReadFile(filepath.Join("traefiktest", name))
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(text)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "corsgate", "traefiktest-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path+".next", ".")
	cmd.Dir = "traefiktest"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build Traefik's middleware: %v\n%s", err, out)
	}
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts the program with its input, and returns how it answers.
func start(t *testing.T, input string) importertest.Send {
	t.Helper()
	folder, err := os.MkdirTemp("", "traefik") // short, for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	socket := filepath.Join(folder, "s")
	cmd := exec.Command(program(t), socket)
	cmd.Stdin = strings.NewReader(input)
	return importertest.Serve(t, cmd, socket)
}

// random makes the settings of a middleware.
type random struct{ *rand.Rand }

func pick[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

// some writes a list of some of texts, or nothing.
func (r random) some(field string, percent int, texts ...string) string {
	if r.IntN(100) >= percent {
		return ""
	}
	var list []string
	for range 1 + r.IntN(3) {
		list = append(list, "'"+pick(r, texts...)+"'")
	}
	return field + ": [" + strings.Join(list, ", ") + "], "
}

func (r random) settings() string {
	s := "{" + r.some("accessControlAllowOriginList", 60, "https://app.example.com", "http://localhost:3000", "https://*.example.com", "https://App.example.org", "*", "null") +
		r.some("accessControlAllowOriginListRegex", 40, `^https://(www|app)\.example\.com$`, `https://.*\.example\.com`, `^https?://localhost(:[0-9]+)?$`, `example`, `^https://[a-z]+\.example\.org$`) +
		r.some("accessControlAllowMethods", 70, "GET", "PUT", "DELETE", "OPTIONS", "*", "GET, PATCH") +
		r.some("accessControlAllowHeaders", 70, "Content-Type", "X-Token", "Authorization", "*") +
		r.some("accessControlExposeHeaders", 40, "X-Total", "X-Other", "*")
	if r.IntN(2) == 0 {
		s += "accessControlAllowCredentials: true, "
	}
	return s + "accessControlMaxAge: " + fmt.Sprint(r.IntN(1000)) + "}"
}

// TestDifferential asks the middleware itself, and the imported policies.
func TestDifferential(t *testing.T) {
	if os.Getenv("CORSGATE_TEST") != "full" {
		t.Skip("Traefik takes minutes to build once: set CORSGATE_TEST=full")
	}
	r := random{rand.New(rand.NewPCG(1, 1))}
	var all []string
	for range 300 {
		all = append(all, r.settings())
	}
	ask := start(t, "settings:\n- "+strings.Join(all, "\n- ")+"\n")
	var tally importertest.Tally
	for i, settings := range all {
		differ(t, r, ask, i, settings, &tally)
	}
	tally.Check(t, 10)
}

func differ(t *testing.T, r random, ask importertest.Send, i int, settings string, tally *importertest.Tally) {
	host := fmt.Sprintf("%d.test", i)
	text := "http:\n  middlewares:\n    cors:\n      headers: " + settings + "\n  routers:\n    r: {rule: 'Host(`" + host + "`)', middlewares: [cors]}\n"
	result, through := importertest.Import(t, traefik.Read, text)
	for range 60 {
		page := importertest.Page{Host: host, Path: "/x"}
		page.Origin = pick(r, "https://app.example.com", "https://www.example.com", "http://localhost:3000", "https://a.b.example.com", "https://app.example.org", "https://example.com", "null", "https://other.test")
		page.Target, page.Method = "http://"+host, pick(r, "GET", "POST", "PUT", "DELETE", "PATCH")
		page.Credentials = pick(r, browser.Omit, browser.Include)
		if r.IntN(2) == 0 {
			page.Headers = browser.Headers{{Name: pick(r, "X-Token", "Content-Type"), Value: "application/json"}}
		}
		was, saw := page.Reads(ask)
		is, sees := page.Reads(through)
		switch {
		case was == is && slices.Equal(saw, sees):
			tally.Same++
		case excuses(result, was, is):
			tally.Excused++
		default:
			t.Fatalf("%s of %s, %s, %v\nTraefik allows it: %v %v; corsgate: %v %v\n%s\n%s%s",
				page.Method, page.Origin, page.Credentials, page.Headers, was, saw, is, sees, settings, result.Text(), result.Report())
		}
	}
}

// excuses reports whether the report has a word for a difference.
func excuses(r importer.Result, was, is bool) bool {
	return slices.ContainsFunc(r.Findings, func(f source.Finding) bool {
		switch {
		case was == is:
			return f.Field == "exposeHeaders" && f.Fidelity != source.Kept
		case is:
			return f.Fidelity == source.Widened
		case strings.Contains(f.Message, "since then") || strings.Contains(f.Message, "Since then"):
			return true
		default:
			return f.Fidelity == source.Narrowed || f.Fidelity == source.Decide
		}
	})
}

// routed is a router of a file.
type routed struct {
	hosts       []string // none: every host
	path, kind  string   // kind is a matcher; none: every path
	condition   bool
	priority    int
	entryPoints []string
	middleware  string
	name        string
}

// The middlewares of routers.
var routedMiddlewares = map[string]string{
	"app":      "{accessControlAllowOriginList: ['https://app.example.com'], accessControlAllowMethods: [PUT]}",
	"everyone": "{accessControlAllowOriginList: ['*'], accessControlAllowMethods: [GET]}",
}

var bothEntryPoints = []string{"web", "websecure"}

func (r random) router(n int) routed {
	rt := routed{name: fmt.Sprintf("r%d", n), middleware: pick(r, "app", "everyone", "", "", "redirect")}
	rt.hosts = pick(r, []string{"a.test"}, []string{"a.test"}, []string{"a.test", "b.test"}, []string{"b.test"}, []string{"*.test"}, nil)
	rt.kind = pick(r, "", "PathPrefix", "PathPrefix", "Path", "PathRegexp")
	switch rt.kind {
	case "PathPrefix", "Path":
		rt.path = pick(r, "/", "/api", "/api/v1", "/admin", "/adm")
	case "PathRegexp":
		rt.path = pick(r, "/admin", "^/api", "^/api(/|$)", "^/(a|b)", "(?i)^/api/v1$", "/v1/.*$", "^/adm.*$")
	}
	rt.condition = r.IntN(12) == 0
	if r.IntN(3) == 0 {
		rt.priority = 1 + r.IntN(60)
	}
	rt.entryPoints = pick(r, nil, nil, []string{"web"}, []string{"websecure"}, bothEntryPoints)
	return rt
}

func (rt routed) rule() string {
	var all []string
	switch len(rt.hosts) {
	case 1:
		all = append(all, "Host(`"+rt.hosts[0]+"`)")
	case 2:
		all = append(all, "(Host(`"+rt.hosts[0]+"`) || Host(`"+rt.hosts[1]+"`))")
	}
	if rt.kind != "" {
		all = append(all, rt.kind+"(`"+rt.path+"`)")
	}
	if rt.condition {
		all = append(all, "!Header(`X-A`, `b`)")
	}
	if all == nil {
		return "PathPrefix(`/`)"
	}
	return strings.Join(all, " && ")
}

// file is the router in Traefik's file.
func (rt routed) file() string {
	text := "    " + rt.name + ": {rule: '" + rt.rule() + "'"
	if rt.priority != 0 {
		text += fmt.Sprintf(", priority: %d", rt.priority)
	}
	if rt.entryPoints != nil {
		text += ", entryPoints: [" + strings.Join(rt.entryPoints, ", ") + "]"
	}
	if rt.middleware != "" {
		text += ", middlewares: [" + rt.middleware + "]"
	}
	return text + "}\n"
}

// program is the router in the input of the program.
func (rt routed) program() string {
	text := fmt.Sprintf("  - {rule: '%s', priority: %d", rt.rule(), rt.priority)
	switch rt.middleware {
	case "":
	case "redirect":
		text += ", redirects: true"
	default:
		text += ", headers: " + routedMiddlewares[rt.middleware]
	}
	return text + "}\n"
}

// isNear reports whether a finding about a router may be about a path of a host.
func (rt routed) isNear(host, path string) bool {
	begin := strings.TrimPrefix(strings.TrimPrefix(rt.path, "(?i)"), "^")
	if k := strings.IndexAny(begin, "(.$"); k >= 0 {
		begin = begin[:k]
	}
	isHost := rt.hosts == nil || slices.Contains(rt.hosts, host) || rt.hosts[0] == "*.test"
	return isHost && strings.Contains(strings.ToLower(path), strings.TrimSuffix(begin, "/"))
}

// TestRoutersDifferential asks the muxer of Traefik at each entry point, and the imported
// policies.
func TestRoutersDifferential(t *testing.T) {
	if os.Getenv("CORSGATE_TEST") != "full" {
		t.Skip("Traefik takes minutes to build once: set CORSGATE_TEST=full")
	}
	const seeds = 400
	var all [][]routed
	var input strings.Builder
	input.WriteString("muxers:\n")
	for seed := range uint64(seeds) {
		r := random{rand.New(rand.NewPCG(seed, 3))}
		var routers []routed
		for n := range 1 + r.IntN(5) {
			routers = append(routers, r.router(n))
		}
		all = append(all, routers)
		for _, entryPoint := range bothEntryPoints {
			fmt.Fprintf(&input, "  %d %s:\n", seed, entryPoint)
			for _, rt := range routers {
				if rt.entryPoints == nil || slices.Contains(rt.entryPoints, entryPoint) {
					input.WriteString(rt.program())
				}
			}
		}
	}
	ask := start(t, input.String())
	var tally importertest.Tally
	for seed, routers := range all {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			differRouters(t, random{rand.New(rand.NewPCG(uint64(seed), 4))}, ask, seed, routers, &tally)
		})
	}
	tally.Check(t, 4)
}

func differRouters(t *testing.T, r random, ask importertest.Send, seed int, routers []routed, tally *importertest.Tally) {
	text := "http:\n  routers:\n"
	for _, rt := range routers {
		text += rt.file()
	}
	text += "  middlewares:\n    redirect: {redirectScheme: {scheme: https}}\n"
	for _, name := range []string{"app", "everyone"} {
		text += "    " + name + ": {headers: " + routedMiddlewares[name] + "}\n"
	}
	result, through := importertest.Import(t, traefik.Read, text)
	for range 60 {
		entryPoint := pick(r, bothEntryPoints...)
		enter := func(method, host, path string, headers browser.Headers) browser.Response {
			return ask(method, host, path, append(slices.Clone(headers), browser.Header{Name: "X-Muxer", Value: fmt.Sprintf("%d %s", seed, entryPoint)}))
		}
		page := importertest.Page{Host: pick(r, "a.test", "a.test", "b.test", "c.test"), Path: pick(r, "/", "/x", "/api", "/api/", "/api/x", "/apix", "/api/v1", "/API/v1", "/api/v1/x", "/admin", "/admin/x", "/adminx", "/x/admin", "/adm", "/b", "/xv1/v1/y")}
		page.Origin, page.Target, page.Method = pick(r, "https://app.example.com", "https://other.test"), "http://"+page.Host, pick(r, "GET", "PUT")
		if enter("GET", page.Host, page.Path, nil).Status != http.StatusOK {
			continue // nobody answers, or a redirect
		}
		was, _ := page.Reads(enter)
		is, _ := page.Reads(through)
		switch {
		case was == is:
			tally.Same++
		case excusesRouter(result, routers, page, is):
			tally.Excused++
		default:
			t.Fatalf("%s %s%s of %s at %s\nTraefik allows it: %v; corsgate: %v\n%s\n%s%s", page.Method, page.Host, page.Path, page.Origin, entryPoint, was, is, text, result.Text(), result.Report())
		}
	}
}

// excusesRouter reports whether the report has a word for a difference, about one of the routers
// that have to do with the request.
func excusesRouter(r importer.Result, routers []routed, page importertest.Page, wider bool) bool {
	return slices.ContainsFunc(r.Findings, func(f source.Finding) bool {
		n := f.Line - 3 // the first router is in the third line
		if n < 0 || n >= len(routers) || !routers[n].isNear(page.Host, page.Path) {
			return false
		}
		return f.Fidelity == source.Widened || f.Fidelity == source.Decide || !wider && f.Fidelity == source.Differs && f.Field != "accessControlAllowOriginList"
	})
}

// FuzzRead is for documents and rules of any kind.
func FuzzRead(f *testing.F) {
	f.Add("http: {routers: {a: {rule: 'Host(`a`) && (PathPrefix(`/b`) || !Path(\"/c\"))', middlewares: [c@file]}}, middlewares: {c: {headers: {accessControlAllowOriginList: ['*']}}}}")
	f.Add("labels:\n- traefik.http.middlewares.a.headers.accesscontrolalloworiginlist=https://a.example\n- traefik.http.routers.a.rule=Host(`a`)\n- traefik.http.routers.a.middlewares=a")
	f.Add("accessControlAllowOriginListRegex: ['^https?://.+$'],\naccessControlAllowCredentials: true,\n")
	f.Fuzz(func(_ *testing.T, text string) {
		docs, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte(text)})
		if err != nil {
			return
		}
		for _, doc := range docs {
			traefik.Claims(doc)
		}
		traefik.Read(docs)
	})
}
