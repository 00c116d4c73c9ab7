//go:build unix

package state

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/live"
)

// writerVariable makes the test's program one that writes to the folder that it names.
const writerVariable = "CORSGATE_TEST_STATE_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerVariable); path != "" {
		writeUntilKilled(path)
	}
	os.Exit(m.Run())
}

// noise is a set of that revision, whose files cannot be compressed: generations end soon.
func noise(revision uint64) []live.File {
	big := make([]byte, 20<<10)
	seed := sha256.Sum256(fmt.Append(nil, revision))
	_, _ = rand.NewChaCha8(seed).Read(big)
	return []live.File{{Name: "big", Data: big}, {Name: "small", Data: fmt.Append(nil, revision)}}
}

// writeUntilKilled writes one set after the other, and says which ones are written.
func writeUntilKilled(path string) {
	d, err := Open(path, nil)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for n := d.Served().Revision + 1; ; n++ {
		d.Keep(live.Reading{Files: noise(n), Release: numbered(n)})
		d.write()
		fmt.Println(n)
	}
}

// TestKilledWriters kills a process while it writes, again and again: what it has said to
// be written is there, or something newer, and whole.
func TestKilledWriters(t *testing.T) {
	path := t.TempDir()
	end := time.Now().Add(time.Minute)
	acknowledged, generations := uint64(0), map[string]bool{}
	for round := range 100 {
		if time.Now().After(end) {
			t.Logf("this machine is slow: %d rounds", round)
			return
		}
		if last := killWriter(t, path, rand.N(10*time.Millisecond)); last > 0 {
			acknowledged = last
		}
		d := open(t, path)
		c := d.start
		if acknowledged == 0 && c == nil {
			must(t, d.Close())
			continue
		}
		if c == nil || c.Release.Revision < acknowledged || c.Release.Revision > acknowledged+1 {
			t.Fatalf("round %d: the folder has %+v, and %d was written", round, c, acknowledged)
		}
		for i, want := range noise(c.Release.Revision) {
			if got := c.files[i]; got.Name != want.Name || !bytes.Equal(got.Data, want.Data) {
				t.Fatalf("round %d: the file %q is another than was written", round, got.Name)
			}
		}
		acknowledged = c.Release.Revision
		generations[filepath.Base(newest(t, path))] = true
		must(t, d.Close())
	}
	if acknowledged < 10 || len(generations) < 3 {
		t.Errorf("only %d sets in %d generations", acknowledged, len(generations))
	}
}

// killWriter starts a process that writes, kills it a while after its first set is
// written, and returns the last one that it has said to be.
func killWriter(t *testing.T, path string, after time.Duration) (last uint64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writerVariable+"="+path)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, err := fmt.Sscan(lines.Text(), &last); err != nil {
			t.Errorf("the writer says: %s", strings.TrimSpace(lines.Text()))
		}
		if after >= 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
			after = -1
		}
	}
	_ = cmd.Wait() // which says that it was killed
	return last
}
