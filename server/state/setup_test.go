package state

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
)

// reading is a good reading of a policy of that maxAge and of a group of origins.
func reading(maxAge int, release live.Release) live.Reading {
	files := []live.File{
		{Name: "p.yaml", Data: fmt.Appendf(nil, "originGroups:\n  apps: {file: groups/apps.txt}\npolicies:\n- name: api\n  cors: {allowOrigins: [group:apps], maxAge: %d}\n", maxAge)},
		{Name: "groups/apps.txt", Data: []byte("https://app.example.com\nhttps://web.example.com\n")},
	}
	return judged(files, release)
}

func judged(files []live.File, release live.Release) live.Reading {
	return live.Reading{Result: policyfile.Load(live.Folder(files), ""), Files: files, Release: release}
}

// numbered is a release of the epoch "a".
func numbered(revision uint64) live.Release {
	return live.Release{Epoch: "a", Revision: revision, Root: fmt.Sprint("root ", revision)}
}

// open opens a folder until the test ends or it is closed.
func open(t testing.TB, path string) *Dir {
	t.Helper()
	d, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// keep opens a folder and writes readings, each before the next.
func keep(t testing.TB, path string, readings ...live.Reading) {
	t.Helper()
	d := open(t, path)
	for _, r := range readings {
		d.Keep(r)
		d.write()
	}
	if d.Failures() > 0 || d.Kept().IsZero() {
		t.Fatal("nothing was written")
	}
	must(t, d.writer.close())
	must(t, d.Close())
}

// kept returns the hash of the policies that a folder has; it is empty if there are none.
func kept(t testing.TB, path string) (hash string, release live.Release) {
	t.Helper()
	d := open(t, path)
	defer func() { must(t, d.Close()) }()
	r, err := d.Read(servertest.Context(t))
	if errors.Is(err, fs.ErrNotExist) {
		return "", live.Release{}
	}
	if err != nil || r.HasErrors() {
		t.Fatalf("Read: %v, %v", r.Diagnostics, err)
	}
	return r.Policies.Hash(), r.Release
}

// newest returns the path of the newest generation.
func newest(t testing.TB, path string) string {
	t.Helper()
	names, err := generations(path)
	if err != nil || len(names) == 0 {
		t.Fatalf("no generation: %v", err)
	}
	return filepath.Join(path, names[0])
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// logTo opens a folder, and returns what is logged then.
func logTo(t testing.TB, path string) string {
	t.Helper()
	log := &linestest.Buffer{}
	d, err := Open(path, textLogger(log))
	must(t, err)
	must(t, d.Close())
	return log.String()
}

// running runs d until stop is called.
func running(t testing.TB, d *Dir) (stop func()) {
	return servertest.Run(t, func(ctx context.Context) error { return d.Run(ctx) })
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q does not have %q", text, p)
		}
	}
}

// copyFolderWithout copies the files of a folder but one.
func copyFolderWithout(t testing.TB, from, without string) string {
	t.Helper()
	to := t.TempDir()
	must(t, os.Chmod(to, 0o700))
	entries, err := os.ReadDir(from)
	must(t, err)
	for _, e := range entries {
		if e.Name() == without {
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(to, e.Name()), data, 0o600))
	}
	return to
}

// fixed is a source that never changes.
type fixed struct{ reading live.Reading }

func (f fixed) Read(context.Context) (live.Reading, error) { return f.reading, nil }

func (f fixed) Watch(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}
