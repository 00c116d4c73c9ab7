package e2e

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
)

// patience is the message timeout of TestSilence.
const patience = 300 * time.Millisecond

// TestSilence asks a service that is healthy and never answers: Envoy gives up
// after the message timeout, and not before.
func TestSilence(t *testing.T) {
	silent := startSilent(t)
	for _, profile := range envoy.Profiles() {
		for mode, want := range map[envoy.FailureMode][]string{
			envoy.FailOpen:   of("200", "seen", "unanswered", vary),
			envoy.FailClosed: of("504", "unseen", "unanswered", vary),
		} {
			name := string(profile) + "/" + string(mode)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := start(t, name, envoy.Config{Profile: profile, Fail: mode, MessageTimeout: patience}, startUpstream(t), silent)
				e := exchange{
					name: name, do: "GET app.test/", with: []string{asked}, answers: owns, want: want,
					but: map[string][]string{"ext-authz/closed": of("503", "unseen", "unanswered", vary)},
				}
				sent := time.Now()
				got := e.send(t, s, "http/1")
				for _, line := range differences(e.wanted(s), append(got, s.reasons(t, 1)[e.id(s, "http/1")])) {
					t.Error(line)
				}
				// Envoy's clock is not ours: half of it is enough to tell.
				if took := time.Since(sent); took < patience/2 {
					t.Errorf("gave up after %v, want %v", took, patience)
				}
			})
		}
	}
}

// slowness is how long corsgate takes in TestSlow, far within the timeout.
const slowness = 100 * time.Millisecond

// slow is an observer that takes its time, and with it the answer.
type slow struct{}

// Observe implements server.Observer.
func (slow) Observe(context.Context, *policy.Request, *policy.Decision) { time.Sleep(slowness) }

// TestSlow asks a service that answers late, but within the timeout: its answer
// counts, and the upstream waits for it.
func TestSlow(t *testing.T) {
	up, service := startUpstream(t), serve(t, "127.0.0.1:0", folderOf(policies), slow{})
	eachConfig(t, func(t *testing.T, name string, c envoy.Config) {
		s := start(t, name, c, up, service)
		for _, e := range []exchange{
			{name: "a request", do: "GET app.test/", with: []string{asked}, answers: owns, want: of("200", "seen", grantsAsked)},
			{name: "a request of an unknown origin", do: "GET app.test/", with: []string{askedDenied}, answers: owns, want: of("200", "seen", vary)},
			{name: "a preflight", do: "OPTIONS app.test/", with: []string{asked, asksPut}, want: of("204", "unseen", grantsAskedPreflight)},
		} {
			sent := time.Now()
			for _, line := range differences(e.wanted(s), e.send(t, s, "http/1")) {
				t.Errorf("%s: %s", e.name, line)
			}
			if took := time.Since(sent); took < slowness {
				t.Errorf("%s took %v: nobody waited for corsgate", e.name, took)
			}
		}
	})
}

// startSilent serves health, and takes every other call without an answer.
func startSilent(t *testing.T) *corsgate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		<-stream.Context().Done()
		return nil
	}))
	hs := health.NewServer()
	for _, name := range []string{"envoy.service.ext_proc.v3.ExternalProcessor", "envoy.service.auth.v3.Authorization"} {
		hs.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
	}
	healthv1.RegisterHealthServer(srv, hs)
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	return nobody(t, l.Addr().String(), folderOf(policies))
}
