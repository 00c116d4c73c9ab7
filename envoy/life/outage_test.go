package life

import (
	"syscall"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
)

// failedOpen is what Envoy answers alone when it fails open: the upstream's
// answer without the upstream's grant.
func failedOpen(ask) outcome { return outcome{200, ""} }

// failedClosed is what it answers when it fails closed.
func failedClosed(p envoy.Profile) func(ask) outcome {
	return func(a ask) outcome {
		if a.origin == "" && p != envoy.TwoPhase {
			return outcome{200, ""} // corsgate is not asked about these
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
				want := failedOpen
				if mode == envoy.FailClosed {
					want = failedClosed(p)
				}
				bothKilled(t, binary, envoy.Config{Profile: p, Fail: mode, MessageTimeout: timeout}, want)
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
	sent, failed, lost := after.tally.report(t, t.Name()+" afterwards")
	if sent < fewest || failed+lost > 0 {
		t.Errorf("sent %d, failed %d, lost %d; want at least %d, 0, 0", sent, failed, lost, fewest)
	}
	for i := range s.instances {
		s.instances[i] = s.instance(t, s.instances[i].GRPC)
	}
	s.awaitHealthy(t, 2)
	again := startLoad(t, s.address(), serves)
	time.Sleep(time.Second)
	again.stop()
	none(t, again)
}

// hangTimeout is the message timeout of a hung service; slack is what the rest
// may take on a busy machine.
const (
	hangTimeout = time.Second
	slack       = 600 * time.Millisecond
	// stopping is how long the threads of a process may run on after SIGSTOP.
	stopping = 50 * time.Millisecond
)

// TestHungService stops both processes, so that their connections stand and
// nobody answers: a request takes one message timeout more, and none when the
// health checks have found out.
func TestHungService(t *testing.T) {
	eachProfile(t, func(t *testing.T, binary string, p envoy.Profile) {
		s := start(t, binary, envoy.Config{Profile: p, Fail: envoy.FailOpen, MessageTimeout: hangTimeout})
		client := newClient()
		allowed := asks()[2]
		if got, err := allowed.do(client, s.address()); err != nil || got != allowed.right {
			t.Fatalf("before: %+v, %v", got, err)
		}
		for _, i := range s.instances {
			i.Signal(t, syscall.SIGSTOP)
		}
		time.Sleep(stopping)
		took := timed(t, s, failedOpen)
		t.Logf("%s: sent 1, failed 0, lost 0; hung, it took %v", p, took)
		// Envoy's clock is not ours: half of the timeout is enough to tell.
		if took < hangTimeout/2 || took > hangTimeout+slack {
			t.Errorf("a hung service cost %v, want one message timeout of %v", took, hangTimeout)
		}
		s.awaitHealthy(t, 0)
		if took := timed(t, s, failedOpen); took > slack {
			t.Errorf("a service that is known to hang cost %v", took)
		}
		for _, i := range s.instances {
			i.Signal(t, syscall.SIGCONT)
		}
		s.awaitHealthy(t, 2)
		timed(t, s, serves)
	})
}

// timed sends a request of an allowed origin, wants the answer, and returns how
// long it took.
func timed(t *testing.T, s *stack, want func(ask) outcome) time.Duration {
	t.Helper()
	a := asks()[2]
	began := time.Now()
	got, err := a.do(newClient(), s.address())
	if err != nil || got != want(a) {
		t.Errorf("got %+v, %v, want %+v", got, err, want(a))
	}
	return time.Since(began)
}
