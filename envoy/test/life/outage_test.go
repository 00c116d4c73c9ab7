package life

import (
	"syscall"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// known tells what Envoy decides by itself.
func known(p envoy.Profile, a ask) bool { return p == envoy.NoTrip && a.origin == knownOrigin }

// failedOpen is what Envoy answers alone when it fails open: the upstream's
// answer without the upstream's grant, unless it decides by itself.
func failedOpen(p envoy.Profile) func(ask) outcome {
	return func(a ask) outcome {
		if known(p, a) {
			return a.right
		}
		return outcome{200, ""}
	}
}

// failedClosed is what it answers when it fails closed.
func failedClosed(p envoy.Profile) func(ask) outcome {
	return func(a ask) outcome {
		if a.origin == "" && p != envoy.TwoPhase {
			return outcome{200, ""} // corsgate is not asked about these
		}
		if known(p, a) {
			return a.right
		}
		return outcome{503, ""}
	}
}

// TestBothKilled kills both instances under load.
func TestBothKilled(t *testing.T) {
	for _, mode := range []envoy.FailureMode{envoy.FailOpen, envoy.FailClosed} {
		t.Run(string(mode), func(t *testing.T) {
			eachProfile(t, func(t *testing.T, binary string, p envoy.Profile) {
				t.Parallel()
				want := failedOpen(p)
				if mode == envoy.FailClosed {
					want = failedClosed(p)
				}
				bothKilled(t, binary, envoy.Config{Profile: p, Fail: mode, MessageTimeout: envoytest.MessageTimeout}, want)
			})
		})
	}
}

// bothKilled checks that the answers are the right ones before, one of both
// kinds in between, and what want says afterwards.
func bothKilled(t *testing.T, binary string, c envoy.Config, want func(ask) outcome) {
	s := start(t, binary, c)
	before := startLoad(t, s.address(), serves)
	time.Sleep(time.Second)
	before.stop()
	none(t, before)
	during := startLoad(t, s.address(), want)
	for _, p := range s.instances {
		p.Kill()
	}
	s.awaitHealthy(t, 0)
	during.stop()
	during.tally.report(t, t.Name()+" in between, where some still have the right answer")
	if during.tally.leaked > 0 {
		t.Errorf("the upstream's own grant got through %d times", during.tally.leaked)
	}
	after := startLoad(t, s.address(), want)
	time.Sleep(time.Second)
	after.stop()
	none(t, after)
	for i := range s.instances {
		s.instances[i] = s.instance(t, s.instances[i].GRPC)
	}
	s.awaitHealthy(t, 2)
	again := startLoad(t, s.address(), serves)
	time.Sleep(time.Second)
	again.stop()
	none(t, again)
}

// hangTimeout is the message timeout of a hung service.
const hangTimeout = time.Second

// TestHungService stops both processes, so that their connections stand and
// nobody answers: a request takes one message timeout more, and asks nobody
// when the health checks have found out.
func TestHungService(t *testing.T) {
	eachProfile(t, func(t *testing.T, binary string, p envoy.Profile) {
		t.Parallel()
		c := envoy.Config{Profile: p, Fail: envoy.FailOpen, MessageTimeout: hangTimeout}
		t.Run("not found out", func(t *testing.T) {
			t.Parallel()
			s := start(t, binary, c)
			s.hang(t)
			asked, began := s.asked(t), time.Now()
			s.answers(t, failedOpen(p))
			// Envoy's clock is not ours: half of the timeout is enough to tell.
			if took := time.Since(began); took < hangTimeout/2 {
				t.Errorf("Envoy gave up after %v, want %v", took, hangTimeout)
			}
			if n := s.asked(t) - asked; n != 1 {
				t.Errorf("a hung service was asked %d times, want once", n)
			}
		})
		t.Run("found out", func(t *testing.T) {
			t.Parallel()
			s := startImpatient(t, binary, c)
			s.hang(t)
			s.awaitHealthy(t, 0)
			asked := s.asked(t)
			s.answers(t, failedOpen(p))
			if n := s.asked(t) - asked; n != 0 {
				t.Errorf("a service that is known to hang was asked %d times", n)
			}
			for _, i := range s.instances {
				i.Signal(t, syscall.SIGCONT)
			}
			becomes(t, s.envoy, serves)
		})
	})
}

// hang stops both corsgates.
func (s *stack) hang(t *testing.T) {
	t.Helper()
	for _, i := range s.instances {
		i.Signal(t, syscall.SIGSTOP)
	}
	time.Sleep(50 * time.Millisecond) // their threads may run on for a moment
}

// answers sends a request of an allowed origin and wants the answer.
func (s *stack) answers(t *testing.T, want func(ask) outcome) {
	t.Helper()
	a := asks()[2]
	if got, err := a.do(newClient(), s.address()); err != nil || got != want(a) {
		t.Errorf("got %+v, %v, want %+v", got, err, want(a))
	}
}

// asked is how often Envoy has asked a corsgate.
func (s *stack) asked(t *testing.T) int {
	t.Helper()
	return corsgatetest.Number(t, s.page(t, "/stats?filter=^cluster.corsgate.upstream_rq_total$"), `upstream_rq_total: (\d+)`)
}
