package file

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
)

var _ live.Confirmer = (*Source)(nil)

func TestConfirmed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p")
	s := &Source{Path: path, Poll: time.Millisecond, Settle: time.Hour}
	last := s.Confirmed()
	if !last.IsZero() {
		t.Errorf("confirmed at %v, and nothing was read", last)
	}
	step := func(name string, confirms bool, do func()) {
		t.Helper()
		do()
		if now := s.Confirmed(); now.After(last) != confirms {
			t.Errorf("%s: confirmed at %v, and before at %v", name, now, last)
		}
		last = s.Confirmed()
	}
	read := func() { _, _ = s.Read(servertest.Context(t)) }
	compare := func() { s.difference() }
	step("read in vain", false, read)
	step("compared with nothing", false, compare)
	write(t, filepath.Join(path, "a.yaml"), "policies:\n- nmae: api\n")
	step("compared with something new", false, compare)
	step("read, with a mistake", true, read)
	step("compared", true, compare)
	write(t, filepath.Join(path, "a.yaml"), "policies: []\n")
	step("compared with something else", false, compare)
	step("read again", true, read)
	stop := servertest.Run(t, func(ctx context.Context) error { return s.Watch(ctx, func() {}) })
	servertest.Await(t, "Watch to compare", func() bool { return s.Confirmed().After(last) })
	stop()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	last = s.Confirmed()
	step("compared with what is lost", false, compare)
	step("read in vain again", false, read)
}
