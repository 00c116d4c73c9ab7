package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

const (
	root   = "../.."
	module = "github.com/corsgate/corsgate"
)

// needGit skips the test if there is no git; when CI=true it fails.
func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no git: install git")
	}
	t.Skip("no git: install git")
}

// runIn runs a command in a folder, with more environment, and returns what it
// printed on standard output.
func runIn(t *testing.T, folder string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

// git runs git without this machine's settings.
func git(t *testing.T, folder string, args ...string) {
	t.Helper()
	env := []string{"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com"}
	runIn(t, folder, env, append([]string{"git"}, args...)...)
}

func put(t *testing.T, folder, name, content string) {
	t.Helper()
	file := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// repository makes one with .ci/release, and 0.1.0 as the changelog's top entry.
func repository(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	put(t, folder, ".ci/release", string(read(t, root, ".ci/release")))
	put(t, folder, "CHANGELOG.md", "# Changes\n\n## 0.1.0\n\nWhat changed.\n\n## 0.0.1\n")
	git(t, folder, "init", "--quiet")
	commit(t, folder)
	return folder
}

func commit(t *testing.T, folder string) {
	t.Helper()
	git(t, folder, "add", "--all")
	git(t, folder, "commit", "--quiet", "--allow-empty", "--message", "m")
}

func TestReleaseIsRefused(t *testing.T) {
	needGit(t)
	nothing := func(*testing.T, string) {}
	changelog := func(text string) func(*testing.T, string) {
		return func(t *testing.T, folder string) {
			put(t, folder, "CHANGELOG.md", text)
			commit(t, folder)
		}
	}
	for _, c := range []struct {
		name   string
		change func(t *testing.T, folder string)
		args   []string
		want   string
	}{
		{"no version", nothing, nil, "name the version: .ci/release 0.1.0"},
		{"two versions", nothing, []string{"0.1.0", "0.1.1"}, "name the version: .ci/release 0.1.0"},
		{"a tag", nothing, []string{"v0.1.0"}, "v0.1.0 is not a version: write MAJOR.MINOR.PATCH without a v, such as 0.1.0"},
		{"two numbers", nothing, []string{"0.1"}, "0.1 is not a version: write"},
		{"a leading zero", nothing, []string{"0.01.0"}, "0.01.0 is not a version: write"},
		{"build metadata", nothing, []string{"0.1.0+linux"}, "0.1.0+linux is not a version: write"},
		{"a new file", func(t *testing.T, folder string) { put(t, folder, "new.go", "") }, []string{"0.1.0"},
			"the work tree has changes that are not in the commit; commit them, or put them aside with git stash --include-untracked:\n?? new.go"},
		{"a changed file", func(t *testing.T, folder string) { put(t, folder, "CHANGELOG.md", "## 0.1.0\n") }, []string{"0.1.0"},
			"git stash --include-untracked:\n M CHANGELOG.md"},
		{"another entry", nothing, []string{"0.1.1"},
			`the top entry of CHANGELOG.md is "0.1.0"; begin it with "## 0.1.1", say there what changed, and commit`},
		{"an older entry", nothing, []string{"0.0.1"}, `the top entry of CHANGELOG.md is "0.1.0"; begin it with "## 0.0.1"`},
		{"an entry without a version", changelog("# Changes\n\n## Unreleased\n\n## 0.1.0\n"), []string{"0.1.0"}, `the top entry of CHANGELOG.md is "Unreleased"; begin`},
		{"no entry", changelog("# Changes\n"), []string{"0.1.0"}, `the top entry of CHANGELOG.md is ""; begin`},
		{"a version that is out", func(t *testing.T, folder string) {
			git(t, folder, "tag", "v0.1.0")
			commit(t, folder)
		}, []string{"0.1.0"}, "not this one; check that out to make it again, or choose the next version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := repository(t)
			c.change(t, folder)
			cmd := exec.CommandContext(t.Context(), filepath.Join(folder, ".ci/release"), c.args...)
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 1 || !strings.HasPrefix(string(out), "release: ") || !strings.Contains(string(out), c.want) {
				t.Errorf("%v\n%s\nwant %s", err, out, c.want)
			}
		})
	}
}

// TestGoInstall installs the command of the last commit as users will, from a
// module proxy. What a proxy has of a repository is what go mod download reads
// from it, so the cache of that is the proxy.
func TestGoInstall(t *testing.T) {
	envoytest.Full(t)
	needGit(t)
	entry := regexp.MustCompile(`(?m)^## (\S+)$`).FindSubmatch(read(t, root, "CHANGELOG.md"))
	version := "v" + string(entry[1])
	clone, proxy, bin := t.TempDir(), t.TempDir(), t.TempDir()
	git(t, root, "clone", "--quiet", "--no-tags", ".", clone)
	git(t, clone, "tag", version)

	anywhere := []string{"GOSUMDB=off", "GOFLAGS=-modcacherw -trimpath", "CGO_ENABLED=0", "GOWORK=off"}
	runIn(t, t.TempDir(), append(anywhere, "GOMODCACHE="+proxy, "GOPROXY=direct", "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=url.file://"+clone+".insteadOf", "GIT_CONFIG_VALUE_0=https://"+module), "go", "mod", "download", module+"@"+version)
	downloads := func(cache string) string { return "file://" + filepath.Join(cache, "cache", "download") }
	proxies := []string{downloads(proxy), downloads(goEnv(t, "GOMODCACHE")), goEnv(t, "GOPROXY")}
	runIn(t, t.TempDir(), append(anywhere, "GOMODCACHE="+t.TempDir(), "GOPROXY="+strings.Join(proxies, ","), "GOBIN="+bin),
		"go", "install", module+"/cmd/corsgate@"+version)

	var got struct{ Version, OS string }
	if err := json.Unmarshal([]byte(runIn(t, bin, nil, "./corsgate", "version", "--format", "json")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != version || got.OS != runtime.GOOS {
		t.Errorf("installed %+v, want %s", got, version)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(runIn(t, root, nil, "go", "env", name))
}
