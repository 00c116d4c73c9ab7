package e2e

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// How the reload test loads the service.
const (
	reloads     = 30 // at least
	loadClients = 4
	fewest      = 10 // requests of a client, or the test says nothing
	reloadPause = 30 * time.Millisecond
)

// reloadPolicy is version k of a policy; each part of its answers tells k.
func reloadPolicy(k int) string { return "policies:\n" + reloadPolicyOf(k, "reload") }

// reloadPolicyOf is version k of the policy of that name, with a host of its own.
func reloadPolicyOf(k int, name string) string {
	return fmt.Sprintf(`- name: %[4]s
  hosts: [%[4]s.test]
  cors:
    allowOrigins: [https://app.example, "https://v%[1]d.example"]
    allowMethods: [PUT, XV%[1]d]
    allowHeaders: [authorization, x-v%[1]d]
    exposeHeaders: [x-v%[1]d]
    allowCredentials: %[2]t
    maxAge: %[3]d
`, k, k%2 == 0, 1000+k, name)
}

// named finds the version in a list of methods or headers.
var named = regexp.MustCompile(`(?i)xv(\d+)|x-v(\d+)`)

// versions are the versions that an answer tells, each once.
func versions(h http.Header) []int {
	var all []int
	for _, name := range []string{"Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers"} {
		for _, found := range named.FindAllStringSubmatch(h.Get(name), -1) {
			k, err := strconv.Atoi(found[1] + found[2])
			if err == nil {
				all = append(all, k)
			}
		}
	}
	if age, err := strconv.Atoi(h.Get("Access-Control-Max-Age")); err == nil {
		all = append(all, age-1000)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// window is which versions may be served: what was confirmed is the oldest,
// what was written the newest.
type window struct{ confirmed, written atomic.Int64 }

// check says what is wrong with an answer to a request that was sent when
// confirmed was the newest confirmed version.
func (w *window) check(resp *http.Response, confirmed int64) error {
	found := versions(resp.Header)
	if len(found) != 1 {
		return fmt.Errorf("status %d tells the versions %v, want one", resp.StatusCode, found)
	}
	k := int64(found[0])
	if credentials := resp.Header.Get("Access-Control-Allow-Credentials") == "true"; credentials != (k%2 == 0) {
		return fmt.Errorf("version %d with the credentials of another", k)
	}
	if k < confirmed || k > w.written.Load() {
		return fmt.Errorf("version %d after %d was confirmed", k, confirmed)
	}
	return nil
}

func TestReloadUnderLoad(t *testing.T) {
	for _, profile := range envoy.Profiles() {
		t.Run(string(profile), func(t *testing.T) {
			t.Parallel()
			service := startService(t, "127.0.0.1:0", reloadPolicy(0))
			s := start(t, "reload", envoy.Config{Profile: profile, Fail: envoy.FailClosed}, startUpstream(t), service)
			w, done := &window{}, make(chan struct{})
			sent := make([]atomic.Int64, loadClients)
			var running sync.WaitGroup
			for i := range loadClients {
				running.Go(func() { s.load(t, w, loadOf("reload", i%2 == 0), "http/1", &sent[i], done) })
			}
			for k := 1; k <= reloads || fewestSent(sent) < fewest; k++ {
				s.reload(t, w, k)
				time.Sleep(reloadPause)
			}
			close(done)
			running.Wait()
		})
	}
}

// fewestSent is the number of the client that has sent the fewest requests.
func fewestSent(sent []atomic.Int64) int64 {
	least := sent[0].Load()
	for i := range sent {
		least = min(least, sent[i].Load())
	}
	return least
}

// reload changes the policy file to version k and has it confirmed: by the
// service, or by Envoy for what is compiled.
func (s *setup) reload(t *testing.T, w *window, k int) {
	t.Helper()
	w.written.Store(int64(k))
	s.service.write(t, reloadPolicy(k))
	if _, err := s.service.reloader.Reload(t.Context()); err != nil {
		t.Errorf("version %d: %v", k, err)
	}
	if s.config.Profile == envoy.NoTrip {
		s.envoy.ReplaceFilter(t, s.config, envoytest.Set(t, s.service.folder))
	}
	w.confirmed.Store(int64(k))
}

// loadOf is a preflight, or a request, to the host of a policy.
func loadOf(name string, preflight bool) exchange {
	if preflight {
		return exchange{name: "load", do: "OPTIONS " + name + ".test/", with: []string{allowed, asksPut, strings.Replace(asksName, ",content-type", "", 1)}}
	}
	return exchange{name: "load", do: "GET " + name + ".test/", with: []string{allowed}}
}

// load sends e until done, counts it in sent and checks each answer.
func (s *setup) load(t *testing.T, w *window, e exchange, client string, sent *atomic.Int64, done <-chan struct{}) {
	for ; ; sent.Add(1) {
		select {
		case <-done:
			return
		default:
		}
		if err := s.loadOnce(t, w, e, client); err != nil {
			t.Errorf("%s, %s: %s: %v", s.name, client, e.do, err)
		}
	}
}

func (s *setup) loadOnce(t *testing.T, w *window, e exchange, client string) error {
	r, err := e.request(t.Context(), s, client)
	if err != nil {
		return err
	}
	confirmed := w.confirmed.Load()
	resp, err := clients[client].RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	return w.check(resp, confirmed)
}
