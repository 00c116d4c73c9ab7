package ecds_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/servertest"
)

// subscribers is how many Envoys follow one service.
const subscribers = 200

// large compiles a set into one resource, "a", of so many bytes.
func large(size int) ecds.Compiler {
	return func(string) (ecds.Compile, error) {
		return func(set *policy.Set) ([]ecds.Resource, error) {
			version := set.Specs()[0].CORS.ExposeHeaders[0]
			return []ecds.Resource{{Name: "a", Version: version, Encoded: encoded("a", version+strings.Repeat(".", size))}}, nil
		}, nil
	}
}

// TestManyEnvoysShareWhatIsSent has many Envoys read nothing of a large filter, and then
// of the next: the service holds what is on its way, and what serves, once each.
func TestManyEnvoysShareWhatIsSent(t *testing.T) {
	const size = 16 << 20
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.Compiler = large(size)
		before := heap()
		s.serve(t, "1", "1")
		for range subscribers {
			s.open(t, delta, "n", nil, "a")
		}
		synctest.Wait()
		if n := s.Count(ecds.Waiting); n != 1 { // on one connection
			t.Errorf("%d Envoys wait, want 1", n)
		}
		s.serve(t, "2", "2")
		if held := heap() - before; held < 2*size || held > 4*size {
			t.Errorf("%d MiB are held for two filters of %d MiB", held>>20, size>>20)
		}
	})
}

// heap returns the bytes that are in use. What a sync.Pool holds is free after two
// collections.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkFanOut changes a filter of 256 KiB that many Envoys follow, until all have
// acknowledged it. What they do with it is part of it.
func BenchmarkFanOut(b *testing.B) {
	for name, delta := range map[string]bool{"delta": true, "state of the world": false} {
		b.Run(name, func(b *testing.B) {
			s := start(b, &ecds.Server{}, nil, insecure.NewCredentials())
			s.Compiler = large(256 << 10)
			sets := []*policy.Set{versions(b, "1", "1"), versions(b, "2", "2")}
			servertest.Prepare(b, s.Server, sets[0])()
			var running sync.WaitGroup
			for range subscribers {
				e := s.open(b, delta, "n", nil, "a")
				running.Go(func() { e.acknowledgeAll(b) })
			}
			servertest.Await(b, "all Envoys", func() bool {
				envoys := s.Await(servertest.Context(b))
				return len(envoys) == 1 && len(envoys[0].Resources) == subscribers
			})
			for i := 1; b.Loop(); i++ {
				servertest.Prepare(b, s.Server, sets[i%2])()
				s.Await(servertest.Context(b))
			}
			b.SetBytes(subscribers * (256 << 10))
			s.stop()
			running.Wait()
		})
	}
}

// acknowledgeAll accepts what comes, until the stream ends.
func (e *fakeEnvoy) acknowledgeAll(t testing.TB) {
	for {
		r, err := e.receiveOne()
		if err != nil {
			return
		}
		e.sendAnswer(t, r, nil)
	}
}
