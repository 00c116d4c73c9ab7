package traefik_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
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

// start starts the program with a list of settings, and returns how the host N.test answers.
func start(t *testing.T, settings string) importertest.Send {
	t.Helper()
	folder, err := os.MkdirTemp("", "traefik") // short, for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	socket := filepath.Join(folder, "s")
	cmd := exec.Command(program(t), socket)
	cmd.Stdin = strings.NewReader(settings)
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
	ask := start(t, "- "+strings.Join(all, "\n- ")+"\n")
	same, excused := 0, 0
	for i, settings := range all {
		s, e := differ(t, r, ask, i, settings)
		same, excused = same+s, excused+e
	}
	t.Logf("%d questions answered alike, %d otherwise, as the reports say", same, excused)
	if !t.Failed() && same < 10*excused {
		t.Errorf("%d questions answered alike, and %d otherwise: the reports excuse too much", same, excused)
	}
}

func differ(t *testing.T, r random, ask importertest.Send, i int, settings string) (same, excused int) {
	host := fmt.Sprintf("%d.test", i)
	text := "http:\n  middlewares:\n    cors:\n      headers: " + settings + "\n  routers:\n    r: {rule: 'Host(`" + host + "`)', middlewares: [cors]}\n"
	config, err := importertest.Documents(traefik.Read)([]source.File{{Path: "dynamic.yaml", Text: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	result := importer.Translate(importer.Options{}, config)
	through := importertest.Through(t, result.Policies, importertest.Application)
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
			same++
		case excuses(result, was, is):
			excused++
		default:
			t.Fatalf("%s of %s, %s, %v\nTraefik allows it: %v %v; corsgate: %v %v\n%s\n%s%s",
				page.Method, page.Origin, page.Credentials, page.Headers, was, saw, is, sees, settings, result.Text(), result.Report())
		}
	}
	return same, excused
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
