package scratch_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/corsgate/corsgate/envoy/scratch"
)

// holderVariable has this test's program make a folder there and wait.
const holderVariable = "SCRATCH_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holderVariable); dir != "" {
		f, err := scratch.New(dir, "demo")
		if err != nil {
			panic(err)
		}
		if err := os.WriteFile(filepath.Join(f.Path, "file"), []byte("text"), 0o600); err != nil {
			panic(err)
		}
		fmt.Println(f.Path)
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
		runtime.KeepAlive(f)
		return
	}
	os.Exit(m.Run())
}

// holder starts a process that has a folder in dir, until kill is called.
func holder(t *testing.T, dir string) (path string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holderVariable+"="+dir)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line[:len(line)-1], kill
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestWhatAKilledProcessLeavesIsRemovedByTheNext(t *testing.T) {
	dir := t.TempDir()
	left, kill := holder(t, dir)
	living, _ := holder(t, dir)
	kill()
	// Nobody's: another prefix, a file, a link, and a name that only begins alike.
	others := []string{"other.1", "demo.file", "demo.link", "demo-1"}
	target := t.TempDir()
	for _, name := range []string{others[0], others[3]} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "demo.file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, "demo.link")); err != nil {
		t.Fatal(err)
	}

	f, err := scratch.New(dir, "demo")
	if err != nil {
		t.Fatal(err)
	}
	want := append(others, filepath.Base(living), filepath.Base(f.Path))
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q without %s", got, want, left)
	}
	if _, err := os.Stat(target); err != nil {
		t.Error(err)
	}
	if err := f.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(f.Path); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestManyAtOnceTakeNoFolderFromEachOther(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				f, err := scratch.New(dir, "demo")
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(f.Path, "file"), nil, 0o600); err != nil {
					t.Error(err)
				}
				if err := f.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}
