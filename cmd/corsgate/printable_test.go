package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/servertest"
)

// hostile is a name of a file that colours what follows, turns its direction,
// and begins a line that looks like the program's own.
const hostile = "a\x1b[31m\u202e\u009b\nforged"

// wantHarmless reports text that a terminal would take harm of, or that does
// not have the name.
func wantHarmless(t *testing.T, text string) {
	t.Helper()
	named := strings.Count(text, `\nforged`)
	if strings.ContainsAny(text, "\x1b\u202e\u009b") || strings.Count(text, "forged") != named {
		t.Errorf("this is harmful: %q", text)
	}
	if named == 0 {
		t.Errorf("this does not name the file: %q", text)
	}
}

// hostileFiles returns a folder with files of hostile names, and its parent,
// which has one that is harmless.
func hostileFiles(t *testing.T) (folder, parent string) {
	t.Helper()
	parent = t.TempDir()
	folder = filepath.Join(parent, hostile)
	good := "policies:\n- name: api\n  cors: {allowOrigins: [https://app.example]}\n"
	cases := "partial: true\ncases:\n- name: a\n  request: {host: api.example, headers: {origin: https://app.example}}\n  want: {reason: request_blocked}\n"
	for name, text := range map[string]string{
		"../good.yaml":                 good,
		"policies/" + hostile + ".yml": "policies: 7\n",
		"policies/b.yml":               good + "- name: api\n  cors: {}\noriginGroups: {a: [https://a.example]}\n",
		"policies/c.yml":               "originGroups: {a: [https://a.example]}\n",
		"cases/" + hostile + ".yaml":   cases,
		"broken/" + hostile + ".yaml":  "cases: 7\n",
		"decisions.jsonl":              `{"method":"GET","host":"api.example","origin":"https://app.example"}` + "\n",
		"empty/none":                   "",
	} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder, parent
}

func TestNamesOfFilesDoNoHarm(t *testing.T) {
	folder, parent := hostileFiles(t)
	good, missing := filepath.Join(parent, "good.yaml"), filepath.Join(folder, "missing")
	in := func(name string) string { return filepath.Join(folder, name) }
	serve := func(args ...string) []string {
		return append([]string{"serve", "--grpc-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)
	}
	for name, args := range map[string][]string{
		"check":                      {"check", in("policies")},
		"check as JSON":              {"check", "--format", "json", in("policies")},
		"check what is missing":      {"check", missing},
		"check what is no file":      {"check", filepath.Join(in("decisions.jsonl"), "a")},
		"check without files":        {"check", in("empty")},
		"test":                       {"test", "--policies", good, in("cases")},
		"test as JSON":               {"test", "--policies", good, "--format", "json", in("cases")},
		"test as JUnit":              {"test", "--policies", good, "--format", "junit", in("cases")},
		"test without policies":      {"test", in("cases")},
		"test by what is refused":    {"test", "--policies", in("policies"), in("cases")},
		"test what is broken":        {"test", "--policies", good, in("broken")},
		"test what is missing":       {"test", "--policies", good, missing},
		"test without cases":         {"test", "--policies", good, in("empty")},
		"diff":                       {"diff", good, in("policies")},
		"diff with a missing log":    {"diff", "--log", `"` + missing + `"`, good, good},
		"diff with a log":            {"diff", "--log", `"` + in("decisions.jsonl") + `"`, good, good},
		"diff with an empty log":     {"diff", "--log", `"` + in("empty/none") + `"`, good, good},
		"diff with a folder":         {"diff", "--log", `"` + folder + `"`, good, good},
		"explain by what is refused": {"explain", "--policies", in("policies"), "--origin", "https://a.example", "--host", "a.example"},
		"explain a missing HAR":      {"explain", "--policies", good, "--har", missing},
		"explain a folder":           {"explain", "--policies", good, "--har", folder},
		"manual":                     {"man", in("man")},
		"manual as JSON":             {"man", "--format", "json", in("man")},
		"manual in a file":           {"man", in("decisions.jsonl")},
		"serve what is refused":      serve("--policies", in("policies")),
		"serve what is missing":      serve("--policies", missing),
		"serve on a socket":          {"serve", "--policies", good, "--grpc-listen", "unix://" + missing, "--admin-listen", "127.0.0.1:0"},
		"serve a missing key":        serve("--policies", good, "--grpc-tls-cert", missing, "--grpc-tls-key", missing),
		"serve what is no key":       serve("--policies", good, "--grpc-tls-cert", in("decisions.jsonl"), "--grpc-tls-key", in("decisions.jsonl")),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience) // one that serves does not end
			defer cancel()
			cmd := exec.CommandContext(ctx, "corsgate", args...)
			// Under the race detector every process would sleep a second at its end.
			cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
			out, _ := cmd.CombinedOutput() // most of them fail
			wantHarmless(t, string(out))
		})
	}
}

// TestServeTellsOfAHostileFile has one appear beside a good one.
func TestServeTellsOfAHostileFile(t *testing.T) {
	for _, text := range []bool{false, true} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "good.yaml"), []byte(observedPolicies), 0o600); err != nil {
			t.Fatal(err)
		}
		var log output
		c := serveConfig{policies: folder, grpcListen: "127.0.0.1:0", adminListen: "127.0.0.1:0"}
		svc, err := c.build(newLogger(&log, text, slog.LevelInfo), nil)
		if err != nil {
			t.Fatal(err)
		}
		o := start(t, svc)
		if err := os.WriteFile(filepath.Join(folder, hostile+".yaml"), []byte("policies: 7\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		status, body, err := o.ask(http.MethodPost, "/-/reload")
		if err != nil || status != http.StatusUnprocessableEntity {
			t.Errorf("reload: %d %v %s", status, err, body)
		}
		wantHarmless(t, body)
		wantHarmless(t, o.page(t, "/status"))
		o.stop()
		wantHarmless(t, log.String())
	}
}

// TestALogDoesNoHarm logs what is no file's name.
func TestALogDoesNoHarm(t *testing.T) {
	for _, text := range []bool{false, true} {
		var out bytes.Buffer
		newLogger(&out, text, slog.LevelInfo).Info(hostile, hostile, hostile)
		wantHarmless(t, out.String())
	}
}
