package file

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
)

// putYoung replaces a file by a rename, in a bubble of synctest.
func putYoung(t *testing.T, path, content string) {
	t.Helper()
	next := filepath.Join(filepath.Dir(path), ".next")
	write(t, next, content)
	young(t, next, 0)
	rename(t, next, path)
}

// policyFile is a file with one policy of that maxAge.
func policyFile(maxAge int) string {
	return fmt.Sprintf("policies:\n- name: api\n  cors: {allowOrigins: [\"https://app.example.com\"], maxAge: %d}\n", maxAge)
}

// writeOn writes other policies until the context ends. The returned channel
// has how often.
func writeOn(ctx context.Context, t *testing.T, path string) <-chan int {
	writes := make(chan int, 1)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			putYoung(t, path, policyFile(n))
			time.Sleep(maxYoung / 3)
		}
		writes <- n
	}()
	synctest.Wait() // for the first one
	return writes
}

// TestReadReadsAgainWhatChangedMeanwhile is in a bubble of synctest, where time
// passes only while Read waits.
func TestReadReadsAgainWhatChangedMeanwhile(t *testing.T) {
	const reads = 5 * maxYoung // as long as five reads may wait
	for _, c := range []struct {
		name     string
		again    bool          // there was a good Read before
		changing time.Duration // how long the content changes
		refused  bool
		atLeast  time.Duration // how long it takes
		atMost   time.Duration
	}{
		{name: "content that stays is read once", again: true, atMost: maxYoung},
		{name: "content that changed is read again", again: true, changing: reads / 2, atLeast: reads / 2, atMost: reads},
		{name: "content that never stays is not read for ever", again: true, changing: time.Hour, refused: true, atLeast: reads / 2, atMost: reads},
		{name: "the first Read has patience", changing: firstPatience / 2, atLeast: firstPatience / 2, atMost: firstPatience},
		{name: "and not with content that never stays", changing: time.Hour, refused: true, atLeast: firstPatience, atMost: firstPatience + firstPause + reads},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.yaml")
			synctest.Test(t, func(t *testing.T) {
				s := &Source{Path: path}
				putYoung(t, path, policyFile(0))
				if c.again {
					if _, err := s.Read(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				ctx, stop := context.WithTimeout(t.Context(), c.changing)
				defer stop()
				writes := writeOn(ctx, t, path)
				start := time.Now()
				res, err := s.Read(t.Context())
				took := time.Since(start)
				stop()
				n := <-writes
				if errors.Is(err, errChanging) != c.refused || (err != nil) != c.refused {
					t.Fatalf("Read: %v", err)
				}
				if took < c.atLeast || took > c.atMost {
					t.Errorf("took %v, want %v to %v", took, c.atLeast, c.atMost)
				}
				if err == nil && *res.Policies.Specs()[0].CORS.MaxAge != max(0, n-1) {
					t.Errorf("read %v after %d writes", res.Policies.Specs(), n)
				}
			})
		})
	}
}

// TestReadEndsWhileItWaits ends the context of a first Read that has patience, at
// any time in a round of reads with the pause after it.
func TestReadEndsWhileItWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.yaml")
	synctest.Test(t, func(t *testing.T) {
		writing, stop := context.WithCancel(t.Context())
		writes := writeOn(writing, t, path)
		for wait := firstPatience / 2; wait < firstPatience/2+5*maxYoung+firstPause; wait += maxYoung / 2 {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			start := time.Now()
			_, err := (&Source{Path: path}).Read(ctx)
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != wait {
				t.Errorf("Read: %v after %v, want %v", err, took, wait)
			}
			cancel()
		}
		stop()
		<-writes
	})
}

// TestReadKeepsFiles is also about what comes of a copy: policies that are judged alike.
func TestReadKeepsFiles(t *testing.T) {
	const named = "originGroups:\n  apps: {file: %s}\npolicies:\n- name: api\n  cors: {allowOrigins: [group:apps]}\n"
	const group = "https://app.example.com\n"
	for _, c := range []struct {
		name, path, file string // of the source, and of the policy file
		group            string // file
		want             []string
	}{
		{name: "a folder", file: "p.yaml", group: "groups/apps.txt", want: []string{"groups/apps.txt", "p.yaml"}},
		{name: "a file", path: "p.yaml", file: "p.yaml", group: "groups/apps.txt", want: []string{"groups/apps.txt", "./p.yaml"}},
		{name: "a file of another name", path: "cors.conf", file: "cors.conf", group: "groups/apps.txt", want: []string{"./cors.conf", "groups/apps.txt"}},
		{name: "a hidden file", path: ".cors.yaml", file: ".cors.yaml", group: "groups/apps.txt", want: []string{"./.cors.yaml", "groups/apps.txt"}},
		{name: "a group called like a policy file", path: "p.yaml", file: "p.yaml", group: "apps.yaml", want: []string{"apps.yaml", "./p.yaml"}},
		{name: "the same in capitals", path: "p.yaml", file: "p.yaml", group: "APPS.JSON", want: []string{"APPS.JSON", "./p.yaml"}},
		{name: "a group called like the file with an ending", path: "p", file: "p", group: "p.yaml", want: []string{"./p", "p.yaml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, filepath.FromSlash(c.group)), group)
			write(t, filepath.Join(dir, c.file), fmt.Sprintf(named, c.group))
			s := &Source{Path: filepath.Join(dir, c.path), Keep: true}
			r, err := s.Read(t.Context())
			if err != nil || r.HasErrors() {
				t.Fatalf("Read: %v, %v", r.Diagnostics, err)
			}
			var got []string
			for _, f := range r.Files {
				got = append(got, f.Name)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("kept %q, want %q", got, c.want)
			}
			again := policyfile.Load(live.Folder(r.Files), dir)
			if again.HasErrors() || again.Policies.Hash() != r.Policies.Hash() {
				t.Errorf("the copy is judged otherwise: %v", again.Diagnostics)
			}
			s.Keep = false
			if r, err := s.Read(t.Context()); err != nil || r.Files != nil {
				t.Errorf("nobody asked for the files, and they are kept: %d, %v", len(r.Files), err)
			}
		})
	}
}
