package admin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/corsgate/corsgate/policy"
)

func TestOneWorksSomeWaitAndTheRestIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		release, ended := make(chan struct{}), make(chan error)
		working, most := 0, 0
		work := func() {
			working++
			most = max(most, working)
			<-release
			working--
		}
		for range 1 + maxWaiting {
			go func() { ended <- g.pass(t.Context(), work) }()
		}
		synctest.Wait()
		if err := g.pass(t.Context(), work); !errors.Is(err, errBusy) {
			t.Errorf("one too many: %v", err)
		}
		close(release)
		for range 1 + maxWaiting {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if most != 1 {
			t.Errorf("%d worked at once", most)
		}
		if err := g.pass(t.Context(), func() {}); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestWhoLeavesWaitsNoLonger has a client leave while another one works, and
// looks that both pages pass the same gate.
func TestWhoLeavesWaitsNoLonger(t *testing.T) {
	s := &Server{
		Set:    func() *policy.Set { t.Error("asked what is served without a turn"); return nil },
		Denied: func() any { t.Error("listed without a turn"); return nil },
	}
	h := s.Handler()
	ctx, leave := context.WithCancel(t.Context())
	leave()
	err := s.gate.pass(t.Context(), func() {
		for _, r := range []*http.Request{
			httptest.NewRequestWithContext(ctx, "GET", "http://127.0.0.1:9002/denied", nil),
			httptest.NewRequestWithContext(ctx, "POST", "http://127.0.0.1:9002/explain", strings.NewReader("{}")),
		} {
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != http.StatusServiceUnavailable {
				t.Errorf("%s: %d %s", r.URL.Path, w.Code, w.Body)
			}
		}
	})
	if err != nil {
		t.Error(err)
	}
}
