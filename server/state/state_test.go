package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/sourcetest"
)

var _ live.Keeper = (*Dir)(nil)

func TestTheLastSetIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made", "state")
	if hash, _ := kept(t, path); hash != "" {
		t.Error("a new folder has policies")
	}
	first, second := reading(1, numbered(1)), reading(2, numbered(2))
	second.Files = append(second.Files, live.File{Name: "q.yaml", Data: []byte("policies:\n- name: web\n  hosts: [web.example.com]\n  cors: {allowOrigins: [\"*\"]}\n")})
	second = judged(second.Files, second.Release)
	chosen := judged([]live.File{
		{Name: live.ChosenPrefix + "p.yaml", Data: []byte("originGroups:\n  apps: {file: apps.yaml}\npolicies:\n- name: api\n  cors: {allowOrigins: [group:apps]}\n")},
		{Name: "apps.yaml", Data: []byte("https://app.example.com\n")},
	}, numbered(1))
	for _, step := range []struct {
		name     string
		readings []live.Reading
	}{
		{"a chosen file, and a group that is called like a policy file", []live.Reading{chosen}},
		{"one set", []live.Reading{first}},
		{"a file more, and one other", []live.Reading{second}},
		{"a file less", []live.Reading{first, second, first}},
		{"another release of the same files", []live.Reading{first, reading(1, numbered(3))}},
	} {
		keep(t, path, step.readings...)
		want := step.readings[len(step.readings)-1]
		if hash, release := kept(t, path); hash != want.Policies.Hash() || release != want.Release {
			t.Errorf("%s: kept %s of %+v, want %s of %+v", step.name, hash, release, want.Policies.Hash(), want.Release)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v, want it for its owner alone", info.Mode(), err)
	}
	keep(t, path, reading(4, live.Release{})) // which changes nothing of a store
	if got := open(t, path).Served(); got != numbered(3) {
		t.Errorf("%+v has served", got)
	}
}

// TestWhatIsKeptIsJudgedAgain is about a copy that an older corsgate took for good.
func TestWhatIsKeptIsJudgedAgain(t *testing.T) {
	path := t.TempDir()
	r := reading(1, live.Release{})
	r.Files[1].Data = []byte("https://app.example.com/\n")
	keep(t, path, r)
	got, err := open(t, path).Read(servertest.Context(t))
	if err != nil || !got.HasErrors() || got.Policies != nil {
		t.Fatalf("Read: %+v, %v, want a mistake", got, err)
	}
	contains(t, got.Diagnostics[0].String(), newest(t, path)+"/groups/apps.txt:1:1: error [origin-trailing-slash]")
}

func TestTheSameSetIsNotWrittenAgain(t *testing.T) {
	path := t.TempDir()
	keep(t, path, reading(1, numbered(1)))
	before, _ := os.ReadFile(newest(t, path))
	d := open(t, path)
	at := d.Kept()
	d.Keep(reading(1, numbered(1)))
	d.write()
	after, _ := os.ReadFile(newest(t, path))
	if string(before) != string(after) || !d.Kept().Equal(at) || d.want != nil {
		t.Error("it was written again")
	}
}

func TestOnlyTheLatestSetIsWritten(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	for n := range 5 {
		d.Keep(reading(n, numbered(uint64(n+1))))
	}
	running(t, d)()
	if _, release := kept(t, path); release != numbered(5) {
		t.Errorf("kept %+v, want the last one", release)
	}
	if text, _ := os.ReadFile(newest(t, path)); strings.Count(string(text), `"at":`) != 1 {
		t.Error("it was not the only one that was written")
	}
}

func TestTheLastSetIsWrittenAtTheEnd(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	stop := running(t, d)
	d.Keep(reading(1, numbered(1)))
	servertest.Await(t, "the first write", func() bool { return !d.Kept().IsZero() })
	d.Keep(reading(2, numbered(2)))
	stop()
	if _, release := kept(t, path); release != numbered(2) {
		t.Errorf("kept %+v, want the last one", release)
	}
	d = open(t, path)
	d.Keep(reading(3, numbered(3)))
	<-d.wake // so that nothing but the end has it written
	ended, end := context.WithCancel(t.Context())
	end()
	must(t, d.Run(ended))
	if _, release := kept(t, path); release != numbered(3) {
		t.Errorf("kept %+v, want what came at the end", release)
	}
}

// TestGenerationsAreBounded changes a set until several generations have followed each
// other.
func TestGenerationsAreBounded(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	begun := uint64(0)
	for n := 1; begun < 4; n++ {
		d.Keep(reading(n, numbered(uint64(n))))
		d.write()
		begun = d.writer.newest
		names, err := generations(path)
		info, statErr := os.Stat(newest(t, path))
		if err != nil || len(names) > 2 || statErr != nil || info.Size() > 2*d.writer.base+slack+1<<10 || n > 10_000 {
			t.Fatalf("after %d sets: %q with %d bytes, %v, %v", n, names, info.Size(), err, statErr)
		}
		if info.Size() != d.writer.size {
			t.Fatalf("counted %d bytes of %d", d.writer.size, info.Size())
		}
	}
	must(t, d.Close())
	must(t, os.Remove(newest(t, path)))
	if hash, release := kept(t, path); hash == "" || release.Revision == 0 {
		t.Error("the generation before does not serve")
	}
}

func TestAFolderIsUsedByOneProcess(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	if _, err := Open(path, nil); err == nil {
		t.Fatal("opened twice")
	} else {
		contains(t, err.Error(), path, "another corsgate uses it", "--state-dir")
	}
	must(t, d.Close())
	open(t, path)
}

func TestAFolderThatEverybodyMayWriteToIsRefused(t *testing.T) {
	path := t.TempDir()
	for mode, refused := range map[os.FileMode]bool{0o700: false, 0o770: false, 0o755: false, 0o702: true, 0o777: true, 0o777 | os.ModeSticky: true} {
		must(t, os.Chmod(path, mode))
		d, err := Open(path, nil)
		if (err != nil) != refused {
			t.Errorf("%v: %v", mode, err)
		}
		if err != nil {
			contains(t, err.Error(), path, "chmod o-w")
			continue
		}
		must(t, d.Close())
	}
	if _, err := Open(filepath.Join(path, lockName), nil); err == nil {
		t.Error("a file is taken for a folder")
	}
}

// TestAFailedWrite is about a folder that takes no new generation, and later one.
func TestAFailedWrite(t *testing.T) {
	path := t.TempDir()
	keep(t, path, reading(1, numbered(1)))
	inTheWay := filepath.Join(path, nextName, "something")
	must(t, os.MkdirAll(inTheWay, 0o700))
	log := &linestest.Buffer{}
	d, err := Open(path, textLogger(log))
	must(t, err)
	d.pause = 1 << 20 // a millisecond
	r := &live.Reloader{Source: fixed{reading(2, numbered(2))}, Keeper: d, KeptFirst: true}
	must(t, errors.Join(r.Load(t.Context()), r.Load(t.Context()))) // of the folder, and of the source
	stop := running(t, d)
	servertest.Await(t, "failures", func() bool { return d.Failures() > 1 })
	if s := r.Status(); !s.Ready || s.LastError != nil || s.Release != numbered(2) {
		t.Errorf("status while writes fail: %+v", s)
	}
	contains(t, log.String(), "level=ERROR", "not written", path, "they serve all the same")
	if _, release := kept(t, copyFolderWithout(t, path, nextName)); release != numbered(1) {
		t.Errorf("kept %+v, want what was there before", release)
	}
	must(t, os.RemoveAll(filepath.Join(path, nextName)))
	servertest.Await(t, "the next try", func() bool { return r.Status().StateAt.After(r.Status().LoadedAt) })
	stop()
	if _, release := kept(t, path); release != numbered(2) {
		t.Errorf("kept %+v, want what served", release)
	}
}

// TestAFailedAddition is about a generation of which a write has failed: nothing is added
// behind that.
func TestAFailedAddition(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	d.Keep(reading(1, numbered(1)))
	d.write()
	broken := d.writer.out
	must(t, broken.Close()) // so that it takes no more
	d.Keep(reading(2, numbered(2)))
	d.write()
	if d.Failures() != 1 || d.writer.out != nil {
		t.Fatalf("%d failures, and the generation is still added to", d.Failures())
	}
	d.write()
	must(t, d.writer.close())
	must(t, d.Close())
	if _, release := kept(t, path); release != numbered(2) || !strings.HasSuffix(newest(t, path), fmt.Sprintf(namePlain, 2)) {
		t.Errorf("kept %+v in %s, want the second in a second generation", release, newest(t, path))
	}
}

// TestASourceThatTellsNoFilesFails is about a set that is wired wrongly.
func TestASourceThatTellsNoFilesFails(t *testing.T) {
	d := open(t, t.TempDir())
	r := reading(1, numbered(1))
	r.Files = nil
	d.Keep(r)
	d.write()
	if d.Failures() != 1 || !d.Kept().IsZero() {
		t.Error("it was written")
	}
}

func TestALoadOfWhatWasKeptEndsWithItsContext(t *testing.T) {
	path := t.TempDir()
	keep(t, path, judged(sourcetest.ManyFiles(), live.Release{}))
	sourcetest.LoadEnds(t, open(t, path))
}
