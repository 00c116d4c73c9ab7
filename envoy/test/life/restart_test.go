package life

import (
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// TestRollingRestart restarts both instances, one after the other, under load:
// no request is answered wrongly or not at all.
func TestRollingRestart(t *testing.T) {
	eachProfile(t, func(t *testing.T, binary string, p envoy.Profile) {
		t.Parallel()
		s := start(t, binary, envoy.Config{Profile: p, Fail: envoy.FailClosed, MessageTimeout: envoytest.MessageTimeout})
		l := startLoad(t, s.address(), serves)
		for i := range s.instances {
			if code := s.instances[i].Terminate(t); code != 0 {
				t.Errorf("a corsgate that was told to end ended with code %d", code)
			}
			s.restart(t, i)
			time.Sleep(drainSettle)
		}
		l.stop()
		none(t, l)
	})
}

// drainSettle lets the load run on an instance that has just started.
const drainSettle = 500 * time.Millisecond

func none(t *testing.T, l *load) {
	t.Helper()
	if failed, lost := l.tally.report(t, t.Name()); failed+lost > 0 {
		t.Errorf("failed %d, lost %d; want none", failed, lost)
	}
}

// TestKillOneOfTwo kills an instance under load. Its calls are made again at
// the other one. Only in two-phase there is a second call about the response,
// on the stream that died: those requests, one a client at most, get the
// upstream's answer with nothing granted when Envoy fails open.
func TestKillOneOfTwo(t *testing.T) {
	eachProfile(t, func(t *testing.T, binary string, p envoy.Profile) {
		t.Parallel()
		c := envoy.Config{Profile: p, Fail: envoy.FailClosed, MessageTimeout: envoytest.MessageTimeout}
		inFlight := 0
		if p == envoy.TwoPhase {
			c.Fail, inFlight = envoy.FailOpen, clients
		}
		s := start(t, binary, c)
		l := startLoad(t, s.address(), serves)
		time.Sleep(time.Second)
		s.instances[0].Kill()
		s.awaitHealthy(t, 1)
		time.Sleep(time.Second)
		s.restart(t, 0)
		time.Sleep(drainSettle)
		l.stop()
		if failed, lost := l.tally.report(t, t.Name()); failed > inFlight || lost > 0 {
			t.Errorf("failed %d, lost %d; want at most %d, 0", failed, lost, inFlight)
		}
	})
}
