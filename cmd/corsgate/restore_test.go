package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/store"
)

// lossy is a store that can be set back, and instances that report what they serve of it.
type lossy struct {
	*testing.T
	url string
	b   *store.Folder
}

// newLossy returns a store with two releases, of which nobody has reported anything.
func newLossy(t *testing.T) *lossy {
	path := filepath.Join(t.TempDir(), "store")
	l := &lossy{t, schemeFolder + path, &store.Folder{Path: path}}
	for _, origin := range []string{"https://first.example", "https://second.example"} {
		l.corsgate(exitOK, "push", l.policy(origin))
	}
	return l
}

// corsgate runs a command on the store, and returns what it prints.
func (l *lossy) corsgate(want int, args ...string) string {
	l.Helper()
	var out output
	if code := run(l.Context(), append(args, "--store", l.url), nil, &out, &out); code != want {
		l.Fatalf("corsgate %v exits %d, want %d:\n%s", args, code, want, &out)
	}
	return out.String()
}

// policy returns a file that allows an origin.
func (l *lossy) policy(origin string) string {
	l.Helper()
	path := filepath.Join(l.TempDir(), "cors.yaml")
	text := "policies: [{name: api, hosts: [api.example], cors: {allowOrigins: ['" + origin + "']}}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		l.Fatal(err)
	}
	return path
}

// backup returns a copy of the store, to be put back by setBack.
func (l *lossy) backup() string {
	l.Helper()
	copied := filepath.Join(l.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(l.b.Path)); err != nil {
		l.Fatal(err)
	}
	return copied
}

func (l *lossy) setBack(to string) {
	l.Helper()
	if err := os.RemoveAll(l.b.Path); err != nil {
		l.Fatal(err)
	}
	if err := os.CopyFS(l.b.Path, os.DirFS(to)); err != nil {
		l.Fatal(err)
	}
}

func (l *lossy) now() live.Release {
	l.Helper()
	now, err := store.Current(l.Context(), l.b)
	if err != nil {
		l.Fatal(err)
	}
	return now.Release
}

// serves has an instance report a release.
func (l *lossy) serves(name string, release live.Release) {
	l.Helper()
	r := store.Reporter{Backend: l.b, Jitter: -1, Report: func() store.Instance { return store.Instance{Name: name, Serves: release, Ready: true} }}
	servertest.Run(l.T, r.Run)
	servertest.Await(l.T, "a report", func() bool {
		list, err := store.Instances(l.Context(), l.b)
		return err == nil && len(list) == 1
	})
}

func expectIn(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s: it lacks %q:\n%s", what, want, text)
		}
	}
}

// TestNothingIsPushedThatNoInstanceFollows has the store come back at an epoch that the
// one which instances serve has restored.
func TestNothingIsPushedThatNoInstanceFollows(t *testing.T) {
	l := newLossy(t)
	old := l.backup()
	l.corsgate(exitOK, "restore", "--force", "--from", l.policy("https://restored.example"))
	served := l.now()
	l.setBack(old)
	l.corsgate(exitOK, "push", l.policy("https://nobody.example")) // nobody has reported yet
	l.serves("gw-1", served)
	before := l.now()
	for _, args := range [][]string{{"push", l.policy("https://new.example")}, {"push", "--dry-run", l.policy("https://new.example")}, {"rollback"}} {
		expectIn(t, strings.Join(args, " "), l.corsgate(exitFailure, args...), "the store has lost releases: it has revision 3, and instance gw-1 serves revision 3, ", "'corsgate restore'")
	}
	if now := l.now(); now != before {
		t.Errorf("the store is at %+v, and was at %+v", now, before)
	}
	l.corsgate(exitOK, "restore", "--from", l.policy("https://new.example"))
	l.corsgate(exitOK, "push", l.policy("https://newer.example"))
}

// TestARestoreComparesWithWhatInstancesServe has an instance serve less than the store has
// after it was set back.
func TestARestoreComparesWithWhatInstancesServe(t *testing.T) {
	l := newLossy(t)
	wide := l.policy("https://*.example")
	l.corsgate(exitOK, "push", wide)
	old := l.backup()
	l.corsgate(exitOK, "push", l.policy("https://narrow.example"))
	served := l.now()
	l.setBack(old)
	l.serves("gw-1", served)
	said := l.corsgate(exitFailure, "restore", "--from", wide, "--require-no-widening")
	expectIn(t, "restore", said, "what changes cannot be told: instances serve what the store has lost: gw-1 serves revision 4", "--require-no-widening")
	expectIn(t, "restore without the flag", l.corsgate(exitOK, "restore", "--from", wide), "revision 5 serves")
}

// TestAHistoryThatLostNothingGoesOn unless somebody insists.
func TestAHistoryThatLostNothingGoesOn(t *testing.T) {
	l := newLossy(t)
	l.serves("gw-1", l.now())
	before := l.now()
	other := l.policy("https://other.example")
	said := l.corsgate(exitFailure, "restore", "--from", other)
	expectIn(t, "restore", said, "the store has lost nothing that is known of: it has revision 2", "--force", "'corsgate push'")
	l.corsgate(exitFailure, "restore", "--from", other, "--epoch", before.Epoch, "--revision", "1")
	if now := l.now(); now != before {
		t.Errorf("the store is at %+v, and was at %+v", now, before)
	}
	l.corsgate(exitOK, "restore", "--from", other, "--epoch", before.Epoch, "--revision", "9", "--dry-run")
	l.corsgate(exitOK, "restore", "--from", other, "--force")
	if now := l.now(); now.Replaces != before.Epoch {
		t.Errorf("the store is at %+v, want a history after %s", now, before.Epoch)
	}
}
