package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	_ "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3" // messages that snippets name
	_ "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
)

// root is the repository's root, seen from this package.
const root = "../.."

// The documents that tests look for something in.
const (
	readme       = "README.md"
	aboutPolicy  = "policy/README.md"
	aboutService = "server/README.md"
	aboutEnvoy   = "envoy/README.md"
	contributing = "CONTRIBUTING.md"
)

// document returns the text of a document.
func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documents returns the names of all documents, the README first.
func documents(t *testing.T) []string {
	t.Helper()
	names := []string{readme}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(entry.Name(), ".") && name != "."; {
		case err != nil:
			return err
		case entry.IsDir() && (hidden || name == "dist" || entry.Name() == "testdata"):
			return fs.SkipDir
		case name != readme && filepath.Ext(name) == ".md":
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// snippets returns the code blocks in a language of all documents but the guides, which
// are done step by step.
func snippets(t *testing.T, language string) []string {
	t.Helper()
	var blocks []string
	for _, name := range documents(t) {
		if strings.HasPrefix(name, guides) {
			continue
		}
		for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(document(t, name), -1) {
			blocks = append(blocks, m[1])
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("the documents have no %s", language)
	}
	return blocks
}

func TestDocumentedPoliciesLoadWithoutAWarning(t *testing.T) {
	loaded := 0
	for _, block := range snippets(t, "yaml") {
		if strings.HasPrefix(block, "# envoy.") || strings.HasPrefix(block, "# cases/") || strings.HasPrefix(block, "# from/") {
			continue
		}
		loaded++
		r := policyfile.Load(fstest.MapFS{
			"policies.yaml": {Data: []byte(block)},
			"tenants.txt":   {Data: []byte("https://tenant.example.org\n")},
		}, "")
		for _, d := range r.Diagnostics {
			t.Errorf("%s\nin\n%s", d, block)
		}
	}
	if loaded < 3 {
		t.Errorf("only %d policy files in the documents", loaded)
	}
}

func TestDocumentedEnvoySnippetsDecode(t *testing.T) {
	decoded := 0
	for _, block := range snippets(t, "yaml") {
		name, ok := strings.CutPrefix(strings.SplitN(block, "\n", 2)[0], "# envoy.")
		if !ok {
			continue
		}
		decoded++
		if err := decodeYAML("envoy."+name, block); err != nil {
			t.Errorf("%v in\n%s", err, block)
		}
	}
	if decoded == 0 {
		t.Error("no Envoy snippet in the documents")
	}
}

// decodeYAML reads text strictly as the message of that name.
func decodeYAML(name, text string) error {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return err
	}
	asJSON, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return protojson.Unmarshal(asJSON, kind.New().Interface())
}

// TestDocumentedCommandsRun runs each "corsgate" line of the documents' shell blocks
// where a policies folder is. Those that serve until they are stopped are
// stopped when they serve.
func TestDocumentedCommandsRun(t *testing.T) {
	policies, err := filepath.Abs(filepath.Join(root, "envoy", "policies"))
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, block := range snippets(t, "sh") {
		for line := range strings.Lines(block) {
			if strings.HasPrefix(line, "corsgate ") {
				commands = append(commands, strings.TrimSpace(line))
			}
		}
	}
	if len(commands) < 4 {
		t.Errorf("only %q in the documents", commands)
	}
	for _, command := range commands {
		t.Run(command, func(t *testing.T) {
			folder := t.TempDir()
			for _, name := range []string{"policies", "deployed"} {
				if err := os.Symlink(policies, filepath.Join(folder, name)); err != nil {
					t.Fatal(err)
				}
			}
			writeCases(t, folder)
			t.Chdir(folder)
			t.Setenv("CORSGATE_STORE", fillStore(t))
			// The machine's own folder is not the test's to write to.
			runDocumented(t, strings.Fields(strings.ReplaceAll(command, "/var/lib/corsgate", "state"))[1:])
		})
	}
}

// writeCases writes the documents' case files, whose first line is their name.
func writeCases(t *testing.T, folder string) {
	t.Helper()
	written := 0
	for _, block := range snippets(t, "yaml") {
		name, ok := strings.CutPrefix(strings.SplitN(block, "\n", 2)[0], "# cases/")
		if !ok {
			continue
		}
		written++
		file := filepath.Join(folder, "cases", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(block), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if written == 0 {
		t.Fatal("the documents have no cases")
	}
}

// fillStore returns the URL of a store with two releases, and with an instance that
// serves the second one until the test ends.
func fillStore(t *testing.T) (url string) {
	t.Helper()
	folder := t.TempDir()
	b := &store.Folder{Path: folder}
	for _, origin := range []string{"https://first.example", "https://second.example"} {
		units, _ := unitsThatAllow(t, origin)
		if _, err := store.Push(t.Context(), b, units, store.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	now, err := store.Current(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	r := store.Reporter{Backend: b, Jitter: -1, Report: func() store.Instance {
		return store.Instance{Name: "gw-1", Serves: now.Release, Ready: true}
	}}
	servertest.Run(t, r.Run)
	servertest.Await(t, "a report", func() bool {
		list, err := store.Instances(t.Context(), b)
		return err == nil && len(list) == 1
	})
	return schemeFolder + folder
}

// runDocumented runs a command line; the variables stand in for listeners that it
// does not name.
func runDocumented(t *testing.T, args []string) {
	t.Helper()
	t.Setenv("CORSGATE_GRPC_LISTEN", "127.0.0.1:0")
	t.Setenv("CORSGATE_ADMIN_LISTEN", "127.0.0.1:0")
	t.Setenv("CORSGATE_DRAIN_DELAY", "1ms")
	var out, errs output
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if args[0] == "serve" {
		stop := time.AfterFunc(0, func() {
			for ctx.Err() == nil && !strings.Contains(errs.String(), `"admin":`) {
				time.Sleep(10 * time.Millisecond)
			}
			cancel()
		})
		defer stop.Stop()
	}
	if code := run(ctx, args, nil, &out, &errs); code != exitOK || ctx.Err() == context.DeadlineExceeded {
		t.Errorf("exit code %d\n%s\n%s", code, &out, &errs)
	}
}

// TestDocumentedRequestsWork makes the documents' requests to the admin listener.
func TestDocumentedRequestsWork(t *testing.T) {
	c := serveConfig{policies: filepath.Join(root, "envoy", "policies"), grpcListen: "127.0.0.1:0", adminListen: "127.0.0.1:0"}
	svc, err := c.build(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(ctx) }()
	s := served{admin: svc.admin.Listener.Addr().String()}
	asked := 0
	for _, m := range regexp.MustCompile(`(?m)^curl (?:-X (POST) )?http://127\.0\.0\.1:9002(\S+)$`).FindAllStringSubmatch(document(t, aboutService), -1) {
		asked++
		status, body, err := s.ask(m[1], m[2])
		if err != nil || status != http.StatusOK {
			t.Errorf("%s: %d %v %s", m[0], status, err, body)
		}
	}
	if asked < 2 {
		t.Errorf("only %d requests in the documents", asked)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestReadmeQuickstartExists(t *testing.T) {
	quickstart := snippets(t, "sh")[0]
	if want := "go run ./cmd/corsgate demo\ngo test ./...\n"; quickstart != want {
		t.Errorf("the first commands are %q, want %q", quickstart, want)
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-C", root, "-f", "{{.Name}}", "./cmd/corsgate").Output()
	if err != nil || string(out) != "main\n" {
		t.Errorf("go list ./cmd/corsgate: %q %v", out, err)
	}
}

func TestTheFlagsOfServeAreListed(t *testing.T) {
	text := document(t, aboutService)
	var rows []string
	newServe().Flags().VisitAll(func(f *pflag.Flag) {
		def := "`" + f.DefValue + "`"
		switch {
		case f.Name == "policies":
			def = "required"
		case f.DefValue == "" || f.DefValue == "[]":
			def = "none"
		}
		row := fmt.Sprintf("| `--%s` | `%s` | %s |", f.Name, variable(f.Name), def)
		rows = append(rows, row)
		if strings.Count(text, "\n"+row) != 1 {
			t.Errorf("%s has no row %s", aboutService, row)
		}
	})
	if listed := regexp.MustCompile("(?m)^\\| `--").FindAllString(text, -1); len(listed) != len(rows) {
		t.Errorf("%s lists %d flags of serve, there are %d", aboutService, len(listed), len(rows))
	}
}

// TestTheReadmeIsShort keeps the README a page that a newcomer reads to its end.
func TestTheReadmeIsShort(t *testing.T) {
	const most = 200
	if lines := strings.Count(document(t, readme), "\n"); lines > most {
		t.Errorf("%s has %d lines, and %d may be: what is about one folder belongs in its README.md", readme, lines, most)
	}
}

// TestRoughNumbersAreMeasured holds what the documents say of no-trip's instructions to what
// was measured.
func TestRoughNumbersAreMeasured(t *testing.T) {
	results := document(t, "envoy/bench/results.md")
	for _, c := range []struct {
		row, says string
		part      float64 // the difference to 1
	}{
		{"no-trip, allowed / no filter", "about a sixth more instructions", 1.0 / 6},
		{"no-trip, denied / no filter", "about a sixth more instructions", 1.0 / 6},
		{"no-trip, preflight / no filter", "about a quarter fewer", -1.0 / 4},
	} {
		m := regexp.MustCompile(`(?m)^\| ` + c.row + ` \| ([0-9.]+) \|`).FindStringSubmatch(results)
		if m == nil {
			t.Fatalf("nothing was measured of %s", c.row)
		}
		if ratio, err := strconv.ParseFloat(m[1], 64); err != nil || math.Abs(ratio-1-c.part) > 0.02 {
			t.Errorf("%s is %s (%v), and the documents say %s", c.row, m[1], err, c.says)
		}
		for _, name := range []string{readme, aboutEnvoy} {
			if text := strings.Join(strings.Fields(document(t, name)), " "); !strings.Contains(text, c.says) {
				t.Errorf("%s does not say %q", name, c.says)
			}
		}
	}
}

// TestGuidesNameTheEnvoyThatTheDemoInstalls is about its folder.
func TestGuidesNameTheEnvoyThatTheDemoInstalls(t *testing.T) {
	pinned := regexp.MustCompile(`pinnedVersion = "(.+)"`).FindStringSubmatch(document(t, "envoy/binary.go"))
	named := 0
	for _, name := range documents(t) {
		for _, m := range regexp.MustCompile(`corsgate/envoy-([0-9.]+)`).FindAllStringSubmatch(document(t, name), -1) {
			named++
			if m[1] != pinned[1] {
				t.Errorf("%s names Envoy %s, and the demo installs %s", name, m[1], pinned[1])
			}
		}
	}
	if named < 2 {
		t.Errorf("only %d documents say where the demo installs Envoy", named)
	}
}

func TestWhatThereIsIsListed(t *testing.T) {
	var policies, commands []string
	for _, r := range policy.Reasons() {
		policies = append(policies, "| `"+r.String()+"` |")
	}
	for _, o := range []policy.OptIn{
		policy.OptInOriginRegex, policy.OptInNullOrigin, policy.OptInAnyOriginWithCredentials,
		policy.OptInPublicSuffix, policy.OptInInsecureOrigins, policy.OptInPrivateNetworkAccess,
	} {
		policies = append(policies, "| `"+string(o)+"` |")
	}
	for _, field := range fieldsOf(reflect.TypeFor[policy.Spec](), "") {
		policies = append(policies, "| `"+field+"` |")
	}
	for _, cmd := range newRoot().Commands() {
		commands = append(commands, "| `corsgate "+cmd.Use+"` |")
	}
	for name, want := range map[string][]string{aboutPolicy: policies, readme: commands} {
		lines := strings.Split(document(t, name), "\n")
		for _, row := range want {
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, row) }) {
				t.Errorf("%s has no row %s", name, row)
			}
		}
	}
}

func TestNamedFoldersExist(t *testing.T) {
	named := 0
	for _, name := range documents(t) {
		for _, m := range regexp.MustCompile("`((?:policy|server|envoy|internal|cmd)/[a-z0-9/]*)`").FindAllStringSubmatch(document(t, name), -1) {
			named++
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d folders are named", named)
	}
}

// TestEveryPackageIsNamed leaves out those that are for tests, the parts of the
// benchmark, and what only one part of policy uses.
func TestEveryPackageIsNamed(t *testing.T) {
	text := document(t, contributing)
	for _, p := range packages(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if isForTests(p.ImportPath) || strings.HasPrefix(path, "envoy/bench/") || strings.Contains(path, "/internal/") {
			continue
		}
		if !strings.Contains(text, "`"+path+"/`") {
			t.Errorf("%s does not name %s/", contributing, path)
		}
	}
}

// fieldsOf returns the fields of a struct with their names in JSON, those of a
// struct in it below its name.
func fieldsOf(of reflect.Type, above string) (names []string) {
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Type.Kind() == reflect.Struct {
			names = append(names, fieldsOf(field.Type, above+name+".")...)
			continue
		}
		names = append(names, above+name)
	}
	return names
}
