package live_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/denied"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/metrics"
	"github.com/corsgate/corsgate/server/source/file"
	"github.com/corsgate/corsgate/server/wire"
)

// tenants is a folder with the policies of many tenants, each with many origins.
type tenants struct{ policies, files, origins int }

// all is what a large fleet has. share has a part of its policies, for a test.
var (
	all   = tenants{policies: 10_000, files: 100, origins: 100}
	share = tenants{policies: 500, files: 100, origins: 100}
)

// apart has each policy in a file of its own, as a release has.
func (n tenants) apart() tenants { return tenants{n.policies, n.policies, n.origins} }

// write writes file i. The maxAge of its first policy is age.
func (n tenants) write(t testing.TB, dir string, i, age int) {
	each := n.policies / n.files
	var b strings.Builder
	b.WriteString(`{"policies":[`)
	for p := i * each; p < (i+1)*each; p++ {
		fmt.Fprintf(&b, `{"name":"tenant-%d","hosts":["t%[1]d.api.example.com"],"cors":{"allowMethods":["GET","PUT"],"allowHeaders":["authorization"],"maxAge":%d,"allowOrigins":[`, p, age)
		age = 600
		for o := range n.origins {
			fmt.Fprintf(&b, `"https://app%d.tenant%d.example.com",`, o, p)
		}
		b.WriteString("\"https://example.com\"]}},\n")
	}
	path := filepath.Join(dir, fmt.Sprintf("p%05d.json", i))
	must(t, os.WriteFile(path, []byte(strings.TrimSuffix(b.String(), ",\n")+"]}\n"), 0o600))
	written := time.Now().Add(-time.Minute) // so that nobody waits for its end
	must(t, os.Chtimes(path, written, written))
}

func (n tenants) writeAll(t testing.TB) (dir string) {
	dir = t.TempDir()
	for i := range n.files {
		n.write(t, dir, i, 600)
	}
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reloader has the sinks that look at all policies of a set.
func reloader(src *file.Source) *live.Reloader {
	return &live.Reloader{
		Source: src,
		Sinks:  []live.Sink{&wire.Handler{}, metrics.New("test"), &denied.Tracker{}},
	}
}

// allocated returns what a load allocates.
func allocated(t *testing.T, r *live.Reloader) (bytes, objects uint64) {
	t.Helper()
	before := r.Status().Generation
	var from, to runtime.MemStats
	runtime.ReadMemStats(&from)
	must(t, r.Load(t.Context()))
	runtime.ReadMemStats(&to)
	if r.Status().Generation != before+1 {
		t.Fatal("nothing new is served")
	}
	return to.TotalAlloc - from.TotalAlloc, to.Mallocs - from.Mallocs
}

// TestAChangeCostsLittleOfALoad changes one policy of many. That may allocate at most a
// twentieth of what the first load does.
func TestAChangeCostsLittleOfALoad(t *testing.T) {
	for name, c := range map[string]struct {
		tenants
		keep bool
	}{
		"a hundred files":                          {share, false},
		"a file a policy":                          {share.apart(), false},
		"a file a policy, of which a copy is kept": {share.apart(), true},
	} {
		t.Run(name, func(t *testing.T) {
			n, dir := c.tenants, c.writeAll(t)
			r := reloader(&file.Source{Path: dir, Keep: c.keep})
			bytes, objects := allocated(t, r)
			n.write(t, dir, n.files/2, 1)
			againBytes, againObjects := allocated(t, r)
			t.Logf("1/%d of %d bytes, 1/%d of %d allocations", bytes/againBytes, bytes, objects/againObjects, objects)
			if 20*againBytes > bytes || 20*againObjects > objects {
				t.Errorf("a change allocates %d bytes and %d times, and the first load %d and %d", againBytes, againObjects, bytes, objects)
			}
		})
	}
}

// BenchmarkLoad and BenchmarkChange are a load of all policies, and one after one of them
// has changed. To compare them on a busy machine count their instructions, as with
// valgrind --tool=callgrind and GODEBUG=asyncpreemptoff=1 of a test binary without cgo.
func BenchmarkLoad(b *testing.B) {
	dir := all.writeAll(b)
	b.ReportAllocs()
	for b.Loop() {
		must(b, reloader(&file.Source{Path: dir}).Load(b.Context()))
	}
}

func BenchmarkChange(b *testing.B) {
	dir := all.writeAll(b)
	r := reloader(&file.Source{Path: dir})
	must(b, r.Load(b.Context()))
	b.ReportAllocs()
	for age := 0; b.Loop(); age++ {
		all.write(b, dir, all.files/2, age%600)
		must(b, r.Load(b.Context()))
	}
}
