package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/servertest"
)

// gate is an observer that holds each answer back until it is opened once.
type gate chan struct{}

// Observe implements server.Observer.
func (g gate) Observe(ctx context.Context, _ *policy.Request, _ *policy.Decision) {
	select {
	case <-g:
	case <-ctx.Done():
	}
}

// The limits of TestUploads: each is a quarter of the next one at most, which is
// what the generated comments advise.
const (
	connectionLimit = 32 << 10
	streamWindow    = 64 << 10
	bodyLimit       = 256 << 10
)

// TestUploads has a filter behind corsgate wait for the body, with the limits
// that are advised: the limit holds, and its 413 is one that a page can read.
func TestUploads(t *testing.T) {
	for name, filters := range map[string][]any{
		"buffer":      {bufferFilter(bodyLimit)},
		"buffer, Lua": {bufferFilter(bodyLimit), luaFilter()},
		"ext_authz":   {bodyAuthz(bodyLimit)},
	} {
		eachUpload(t, name, func(b object) {
			listener := b["static_resources"].(object)["listeners"].([]any)[0].(object)
			listener["per_connection_buffer_limit_bytes"] = connectionLimit
			manager(b)["http2_protocol_options"] = object{"initial_stream_window_size": streamWindow}
			addFilters(b, filters...)
		}, func(t *testing.T, s *setup, g gate) {
			for client := range clients {
				s.uploads(t, g, client, bodyLimit-1000, connectionLimit, of("200", grantsAsked))
				s.uploads(t, g, client, 10*bodyLimit, connectionLimit, of("413", grantsAsked))
			}
			s.uploads(t, g, "http/1", bodyLimit+1000, connectionLimit, of("413", grantsAsked))
		})
	}
}

// TestUploadsBeyondTheAdvice holds what the advice is there for: with a body
// limit below Envoy's own buffers, what comes while corsgate is asked is not
// counted, and where Envoy stopped reading before, it never goes on. If this
// fails, Envoy has changed: the advice in envoy/README.md and in the generated
// comments may go.
func TestUploadsBeyondTheAdvice(t *testing.T) {
	const limit = 1000
	eachUpload(t, "lost limit", func(b object) { addFilters(b, bufferFilter(limit)) }, func(t *testing.T, s *setup, g gate) {
		for client := range clients {
			s.uploads(t, g, client, 5*limit, 5*limit, of("200", grantsAsked))
		}
	})
	eachUpload(t, "hang", func(b object) {
		addFilters(b, bufferFilter(limit))
		manager(b)["stream_idle_timeout"] = "2s"
	}, func(t *testing.T, s *setup, g gate) {
		got := s.upload(t, g, "http/1", 3<<20, 1<<20)
		if len(got) == 0 || got[0] != "408" {
			t.Errorf("%q, want Envoy's own idle timeout", got)
		}
	})
}

// TestBodyLimitByLength has routes refuse what is announced as too long: a limit
// of any size, whose 413 comes without waiting for the body.
func TestBodyLimitByLength(t *testing.T) {
	eachUpload(t, "route", func(b object) {
		host := manager(b)["route_config"].(object)["virtual_hosts"].([]any)[0].(object)
		routes := host["routes"].([]any)
		tooLong := variation(routes[0].(object), "/", object{"direct_response": object{"status": 413}}, nil)
		tooLong["match"] = object{"prefix": "/", "headers": []any{object{"name": "content-length", "range_match": object{"start": 1001, "end": int64(1) << 62}}}}
		host["routes"] = append([]any{tooLong}, routes...)
	}, func(t *testing.T, s *setup, g gate) {
		for client := range clients {
			s.uploads(t, g, client, 1000, 1000, of("200", grantsAsked))
			s.uploads(t, g, client, 1001, 1001, of("413", grantsAsked))
		}
	})
}

// TestBufferBeforeCorsgate puts the filter that waits before corsgate's: the
// limit holds, but corsgate is not asked, and no page can read the 413.
func TestBufferBeforeCorsgate(t *testing.T) {
	up, service := startUpstream(t), startService(t, "127.0.0.1:0", policies)
	for _, profile := range envoy.Profiles() {
		t.Run(string(profile), func(t *testing.T) {
			t.Parallel()
			s := launch(t, "buffer first", envoy.Config{Profile: profile}, up, service, func(b object) {
				m := manager(b)
				m["http_filters"] = append([]any{bufferFilter(1000)}, m["http_filters"].([]any)...)
			})
			got, err := s.send(t.Context(), "http/1", allowed, 5000)
			if err != nil {
				t.Fatal(err)
			}
			want := of("413")
			if profile == envoy.NoTrip {
				// What Envoy decides by itself it decides at the answer, too, but nobody has kept
				// the Origin then.
				want = of("413", "access-control-allow-credentials: true", "access-control-expose-headers: x-request-id", vary)
			}
			for _, line := range differences(want, got) {
				t.Error(line)
			}
		})
	}
}

// TestUploadsThatNobodyAsksAbout has filters behind corsgate wait for the body of
// what no-trip decides by itself: what comes of it is what comes of it in an Envoy
// without corsgate, whatever the limits.
func TestUploadsThatNobodyAsksAbout(t *testing.T) {
	up := startUpstream(t)
	for name, filter := range map[string]object{
		"a small buffer":     bufferFilter(1000),
		"buffer":             bufferFilter(1 << 20),
		"Lua":                luaFilter(),
		"ext_authz":          bodyAuthz(1 << 20),
		"a small ext_authz":  bodyAuthz(1000),
		"a partial question": partialAuthz(1000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := func(name string, change func(object)) *setup {
				return launch(t, name, envoy.Config{Profile: envoy.NoTrip}, up, nobody(t, "", folderOf(policies)), func(b object) {
					addFilters(b, filter)
					change(b)
				})
			}
			with, without := start("with", func(object) {}), start("without", removeFirst)
			for _, size := range []int{5 << 10, 900 << 10, 3 << 20} {
				for client := range clients {
					want, err := without.send(t.Context(), client, allowed, size)
					if err != nil {
						t.Fatal(err)
					}
					got, err := with.send(t.Context(), client, allowed, size)
					if err != nil {
						t.Errorf("%d bytes over %s: %v", size, client, err)
					}
					for _, line := range differences(of(want, grants), got) {
						t.Errorf("%d bytes over %s: %s", size, client, line)
					}
				}
			}
		})
	}
}

// removeFirst removes the filter that stands first.
func removeFirst(b object) { manager(b)["http_filters"] = manager(b)["http_filters"].([]any)[1:] }

// eachUpload runs test with each profile, and a service behind a gate. All are
// asked about its requests.
func eachUpload(t *testing.T, name string, change func(object), test func(*testing.T, *setup, gate)) {
	up := startUpstream(t)
	for _, profile := range envoy.Profiles() {
		t.Run(name+"/"+string(profile), func(t *testing.T) {
			t.Parallel()
			g := make(gate)
			service := serve(t, "127.0.0.1:0", folderOf(policies), g)
			c := envoy.Config{Profile: profile, Fail: envoy.FailClosed, MessageTimeout: time.Minute}
			test(t, launch(t, name, c, up, service, change), g)
		})
	}
}

// uploads compares what comes of an upload.
func (s *setup) uploads(t *testing.T, g gate, client string, size, before int, want []string) {
	t.Helper()
	for _, line := range differences(want, s.upload(t, g, client, size, before)) {
		t.Errorf("%d bytes over %s: %s", size, client, line)
	}
}

// upload sends a body of that size and opens the gate when Envoy has read that
// much of it, or reads no more.
func (s *setup) upload(t *testing.T, g gate, client string, size, before int) (got []string) {
	t.Helper()
	read, paused := s.reading(t)
	sent := make(chan error, 1)
	go func() {
		var err error
		got, err = s.send(t.Context(), client, asked, size)
		sent <- err
	}()
	for start := time.Now(); time.Since(start) < servertest.Patience && len(sent) == 0; time.Sleep(5 * time.Millisecond) {
		if r, p := s.reading(t); r-read >= before || p > paused {
			break
		}
	}
	var err error
	select {
	case g <- struct{}{}:
		err = <-sent
	case err = <-sent: // Envoy did not wait
	}
	if err != nil {
		t.Errorf("%d bytes over %s: %v", size, client, err)
	}
	return got
}

// send posts a body of that size from an origin; the answer is its status and its
// CORS header lines.
func (s *setup) send(ctx context.Context, client, origin string, size int) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, servertest.Patience) // a hang is a failure with a name
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address()+"/", bytes.NewReader(make([]byte, size)))
	if err != nil {
		return nil, err
	}
	r.Host = "app.test"
	name, value, _ := strings.Cut(origin, ": ")
	r.Header.Set(name, value)
	resp, err := clients[client].RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return append([]string{fmt.Sprint(resp.StatusCode)}, corsLines(resp.Header)...), nil
}

// reading tells how many bytes Envoy has read from clients, and how often it
// stopped reading because a buffer was full.
func (s *setup) reading(t *testing.T) (read, paused int) {
	t.Helper()
	resp, err := http.Get("http://" + s.envoy.Admin + "/stats?format=json&filter=^http.traffic.downstream_(cx_rx_bytes|flow_control_paused_reading)_total$")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var page struct {
		Stats []struct {
			Name  string
			Value int
		}
	}
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &page)
	}
	if err != nil || len(page.Stats) != 2 {
		t.Fatalf("%v: %s", err, text)
	}
	return page.Stats[0].Value, page.Stats[1].Value
}

// addFilters puts filters between corsgate's and the router.
func addFilters(b object, filters ...any) {
	m := manager(b)
	all := m["http_filters"].([]any)
	router := len(all) - 1
	m["http_filters"] = append(append(all[:router:router], filters...), all[router])
}

func bufferFilter(limit int) object {
	return object{"name": "test.buffer", "typed_config": object{
		"@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer", "max_request_bytes": limit}}
}

// luaFilter waits for the body.
func luaFilter() object {
	return object{"name": "test.lua", "typed_config": object{
		"@type":               "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
		"default_source_code": object{"inline_string": "function envoy_on_request(h) h:body() end"}}}
}

// bodyAuthz asks the upstream, which lets everything pass, and shows it the
// body.
func bodyAuthz(limit int) object {
	return object{"name": "test.authz", "typed_config": object{
		"@type":             "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
		"http_service":      object{"server_uri": object{"uri": "http://upstream.test", "cluster": "upstream", "timeout": "30s"}},
		"with_request_body": object{"max_request_bytes": limit}}}
}

// partialAuthz is bodyAuthz that shows what there is of a body that is too long.
func partialAuthz(limit int) object {
	filter := bodyAuthz(limit)
	filter["typed_config"].(object)["with_request_body"].(object)["allow_partial_message"] = true
	return filter
}
