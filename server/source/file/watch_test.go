package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/corsgate/corsgate/server/servertest"
)

// scene is a folder with policies, one group file, and how to change them.
type scene struct {
	name    string
	path    string // of the source, below the scene's folder
	prepare func(t *testing.T, dir string)
	change  func(t *testing.T, dir string)
	want    string // what is read afterwards; empty means that nothing can be
}

func scenes() []scene {
	plain := func(t *testing.T, dir string) {
		write(t, filepath.Join(dir, "p", "a.yaml"), "a1")
		write(t, filepath.Join(dir, "p", "groups", "g.txt"), "g1")
	}
	mount := func(version string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "keep"), "")
			if err := os.MkdirAll(filepath.Join(dir, "p"), 0o700); err != nil {
				t.Fatal(err)
			}
			configMap(t, filepath.Join(dir, "p"), "..v"+version, map[string]string{"a.yaml": "a" + version, "groups/g.txt": "g" + version})
		}
	}
	linked := func(t *testing.T, dir string) {
		write(t, filepath.Join(dir, "v1", "a.yaml"), "a1")
		write(t, filepath.Join(dir, "v1", "groups", "g.txt"), "g1")
		write(t, filepath.Join(dir, "v2", "a.yaml"), "a2")
		write(t, filepath.Join(dir, "v2", "groups", "g.txt"), "g2")
		symlink(t, "v1", filepath.Join(dir, "current"))
		symlink(t, "current", filepath.Join(dir, "p"))
	}
	at := func(dir string, name ...string) string { return filepath.Join(append([]string{dir, "p"}, name...)...) }
	var all []scene
	for _, path := range []string{"p", "p/a.yaml"} {
		kind := "folder"
		if path != "p" {
			kind = "file"
		}
		all = append(all,
			scene{kind + " saved in place", path, plain, func(t *testing.T, dir string) { write(t, at(dir, "a.yaml"), "a2") }, "a2 g1"},
			scene{kind + " replaced by a rename", path, plain, func(t *testing.T, dir string) { replace(t, at(dir, "a.yaml"), "a2") }, "a2 g1"},
			scene{kind + " with a group file saved in place", path, plain, func(t *testing.T, dir string) { write(t, at(dir, "groups", "g.txt"), "g2") }, "a1 g2"},
			scene{kind + " with a group file replaced by a rename", path, plain, func(t *testing.T, dir string) { replace(t, at(dir, "groups", "g.txt"), "g2") }, "a1 g2"},
			scene{kind + " with its group files' folder replaced", path, plain, func(t *testing.T, dir string) {
				write(t, at(dir, "groups.new", "g.txt"), "g2")
				rename(t, at(dir, "groups"), at(dir, "groups.old"))
				rename(t, at(dir, "groups.new"), at(dir, "groups"))
			}, "a1 g2"},
			scene{kind + " deleted", path, plain, func(t *testing.T, dir string) { remove(t, at(dir, "a.yaml")) }, ""},
			scene{kind + " deleted with all around it", path, plain, func(t *testing.T, dir string) { remove(t, at(dir)) }, ""},
			scene{kind + " moved away and another put there", path, plain, func(t *testing.T, dir string) {
				write(t, filepath.Join(dir, "next", "a.yaml"), "a2")
				write(t, filepath.Join(dir, "next", "groups", "g.txt"), "g2")
				rename(t, at(dir), filepath.Join(dir, "before"))
				rename(t, filepath.Join(dir, "next"), at(dir))
			}, "a2 g2"},
			scene{kind + " of a ConfigMap that is updated", path, mount("1"), mount("2"), "a2 g2"},
			scene{kind + " behind a link that is swapped", path, linked, func(t *testing.T, dir string) {
				symlink(t, "v2", filepath.Join(dir, "tmp"))
				rename(t, filepath.Join(dir, "tmp"), filepath.Join(dir, "current"))
			}, "a2 g2"},
			scene{kind + " behind a link, saved in place", path, linked, func(t *testing.T, dir string) { write(t, filepath.Join(dir, "v1", "a.yaml"), "a2") }, "a2 g1"},
		)
	}
	return append(all,
		scene{"folder with a new file", "p", plain, func(t *testing.T, dir string) { write(t, at(dir, "b.yaml"), "b1") }, "a1 b1 g1"},
		scene{"folder with a file less", "p", func(t *testing.T, dir string) {
			plain(t, dir)
			write(t, at(dir, "b.yaml"), "b1")
		}, func(t *testing.T, dir string) { remove(t, at(dir, "b.yaml")) }, "a1 g1"},
		scene{"file that is a link to elsewhere", "p/a.yaml", func(t *testing.T, dir string) {
			plain(t, dir)
			write(t, filepath.Join(dir, "else", "x"), "a1")
			remove(t, at(dir, "a.yaml"))
			symlink(t, filepath.Join(dir, "else", "x"), at(dir, "a.yaml"))
		}, func(t *testing.T, dir string) { replace(t, filepath.Join(dir, "else", "x"), "a2") }, "a2 g1"},
	)
}

// readAll reads what a load would: the files that are listed, and the group file.
func readAll(s *Source) string {
	fsys, _, err := s.Snapshot()
	if err != nil {
		return ""
	}
	entries, _ := fs.ReadDir(fsys, ".")
	var all []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".yaml") {
			b, _ := fs.ReadFile(fsys, e.Name())
			all = append(all, string(b))
		}
	}
	if len(all) == 0 {
		return ""
	}
	g, _ := fs.ReadFile(fsys, "groups/g.txt")
	return strings.Join(append(all, string(g)), " ")
}

// follow runs Watch as a reloader would: each change is read anew. What is
// read comes out of the channel.
func follow(t *testing.T, s *Source) <-chan string { return followBy(t, s, s.Watch) }

// followBy is follow with another watch than Watch.
func followBy(t *testing.T, s *Source, watch func(context.Context, func()) error) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	notices := make(chan struct{}, 1)
	readings := make(chan string, 1000)
	ended := make(chan error, 1)
	go func() {
		ended <- watch(ctx, func() {
			select {
			case notices <- struct{}{}:
			default:
			}
		})
		close(notices)
	}()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for range notices {
			readings <- readAll(s)
		}
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Watch: %v", err)
		}
		<-read
	})
	return readings
}

// await waits for a reading.
func await(t *testing.T, readings <-chan string, want string) {
	t.Helper()
	timeout := time.After(servertest.Patience)
	last := "nothing"
	for {
		select {
		case last = <-readings:
			if last == want {
				return
			}
		case <-timeout:
			t.Fatalf("read %q at last, want %q", last, want)
		}
	}
}

// settled waits until the watches are set up.
func settled(s *Source) { time.Sleep(5 * s.Settle) }

func TestWatch(t *testing.T) {
	ways := []struct {
		name   string
		source Source
	}{
		// An hour between two comparisons, so that only notices can tell.
		{"by notices", Source{Poll: time.Hour, Settle: 10 * time.Millisecond}},
		{"by comparison", Source{Poll: 20 * time.Millisecond, Settle: 10 * time.Millisecond, newWatcher: noNotices}},
	}
	for i := range ways {
		for _, c := range scenes() {
			t.Run(ways[i].name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				c.prepare(t, dir)
				w := &ways[i].source
				s := &Source{Path: filepath.Join(dir, filepath.FromSlash(c.path)), Poll: w.Poll, Settle: w.Settle, newWatcher: w.newWatcher}
				before := readAll(s)
				readings := follow(t, s)
				settled(s)
				c.change(t, dir)
				await(t, readings, c.want)
				restore(t, dir, c, before, readings)
			})
		}
	}
}

func noNotices() (*fsnotify.Watcher, error) { return nil, errors.New("no notices here") }

// restore puts back what was there before the change, which is a change too.
func restore(t *testing.T, dir string, c scene, before string, readings <-chan string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		remove(t, filepath.Join(dir, e.Name()))
	}
	time.Sleep(30 * time.Millisecond) // the folders are gone for a while
	c.prepare(t, dir)
	await(t, readings, before)
}

func TestWatchTellsWhatChangedBeforeIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	write(t, path, "a1")
	s := &Source{Path: path, Poll: time.Hour}
	readAll(s)
	write(t, path, "a2")
	await(t, follow(t, s), "a2 ")
}

func TestWatchIsSilentAboutTheSameContent(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "a1")
	s := &Source{Path: dir, Poll: 100 * time.Millisecond, Settle: 30 * time.Millisecond}
	readAll(s)
	readings := follow(t, s)
	settled(s)
	write(t, filepath.Join(dir, ".a.yaml.swp"), "an editor's")
	write(t, filepath.Join(dir, ".next"), "a1")
	rename(t, filepath.Join(dir, ".next"), filepath.Join(dir, "a.yaml"))
	time.Sleep(10 * s.Settle)
	if len(readings) != 0 {
		t.Errorf("told, and read %q", <-readings)
	}
}

// bubble is a source in a bubble of synctest, where time is the test's own:
// however busy the machine is, nobody pauses for longer than it says here.
type bubble struct {
	*Source
	watches  *watches
	notices  chan<- fsnotify.Event // nil when there are none
	readings <-chan string
}

// eachWay runs a test on a file with "0" in it, with notices and without.
func eachWay(t *testing.T, settle time.Duration, test func(t *testing.T, b *bubble)) {
	for name, notices := range map[string]bool{"by notices": true, "by comparison": false} {
		path := filepath.Join(t.TempDir(), "a.yaml")
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bubble{Source: &Source{Path: path, Settle: settle, Poll: 30 * time.Millisecond, newWatcher: noNotices}}
				b.watches = b.startWatches()
				if notices {
					b.Poll = time.Hour
					notices := make(chan fsnotify.Event, 1000)
					b.notices, b.watches.events, b.watches.paths = notices, notices, map[string]bool{path: true}
				}
				write(t, path, "0\n")
				readAll(b.Source)
				test(t, b)
			})
		})
	}
}

// follow begins to watch.
func (b *bubble) follow(t *testing.T) {
	b.readings = followBy(t, b.Source, func(ctx context.Context, changed func()) error {
		b.Source.follow(ctx, b.watches, changed)
		return nil
	})
	synctest.Wait()
}

// write writes the file in place, as a kernel would tell of it.
func (b *bubble) write(t *testing.T, content string) {
	t.Helper()
	write(t, b.Path, content)
	if b.notices != nil {
		b.notices <- fsnotify.Event{Name: b.Path, Op: fsnotify.Write}
	}
	synctest.Wait()
}

func TestWatchTellsABurstOnce(t *testing.T) {
	eachWay(t, 300*time.Millisecond, func(t *testing.T, b *bubble) {
		b.follow(t)
		for range 50 {
			b.write(t, "1\n")
			time.Sleep(time.Millisecond)
			b.write(t, "2\n")
			time.Sleep(time.Millisecond)
		}
		if got := <-b.readings; got != "2\n " {
			t.Errorf("told early, and read %q", got)
		}
		time.Sleep(10 * b.Settle)
		if n := len(b.readings); n != 0 {
			t.Errorf("told %d times more", n)
		}
	})
}

func TestWatchTellsABurstWithoutAnEnd(t *testing.T) {
	eachWay(t, 50*time.Millisecond, func(t *testing.T, b *bubble) {
		b.follow(t)
		for end := time.Now().Add(10 * time.Second); len(b.readings) == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("never told")
			}
			b.write(t, "1\n")
		}
		await(t, b.readings, "1\n ")
	})
}

func TestWatchWaitsForAHalfWrittenFile(t *testing.T) {
	eachWay(t, 200*time.Millisecond, func(t *testing.T, b *bubble) {
		b.follow(t)
		for end := time.Now().Add(5 * maxBurst / 4 * b.Settle); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			b.write(t, time.Now().String()+"\n")
		}
		b.write(t, "whole\n")
		if got := <-b.readings; got != "whole\n " {
			t.Errorf("told early, and read %q", got)
		}
	})
}

func TestWatchWaitsForTheRestOfALine(t *testing.T) {
	eachWay(t, 200*time.Millisecond, func(t *testing.T, b *bubble) {
		b.follow(t)
		b.write(t, "https://t912.partner.example.com\nhttps://t913.partner.example.co")
		time.Sleep(4 * b.Settle) // above what two looks take
		b.write(t, "https://t912.partner.example.com\nhttps://t913.partner.example.com\n")
		if got := <-b.readings; !strings.HasSuffix(got, ".com\n ") {
			t.Errorf("told early, and read %q", got)
		}
	})
}

func TestWatchTellsALineWithoutAnEnd(t *testing.T) {
	eachWay(t, 20*time.Millisecond, func(t *testing.T, b *bubble) {
		b.follow(t)
		b.write(t, "https://app.example.com")
		await(t, b.readings, "https://app.example.com ")
	})
}

func TestWatchTellsWhatCameBackAfterATornRead(t *testing.T) {
	eachWay(t, 20*time.Millisecond, func(t *testing.T, b *bubble) {
		fsys := snapshotOf(t, b.Source)
		content(t, fsys, "a.yaml")
		write(t, b.Path, "1\n")
		if fsys.unchanged(t.Context()) {
			t.Error("unchanged")
		}
		write(t, b.Path, "0\n") // what was read, but the load refused it
		b.follow(t)
		await(t, b.readings, "0\n ")
	})
}
