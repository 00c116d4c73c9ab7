package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/server/servertest"
)

// inRow is how many requests TestMisuses sends: enough for what is only told
// from several.
const inRow = 12

// TestMisuses asks by plain ext_proc in modes that spoil the answers, and in
// some that do not: corsgate tells which is which.
func TestMisuses(t *testing.T) {
	up := startUpstream(t)
	for name, c := range map[string]struct {
		mode    object // processing_mode, beside the headers of both phases
		ignored bool   // observability_mode
		found   string
		want    []string // the answer, if there is one
	}{
		"headers of both phases": {want: of("200", grants)},
		"bodies are shown":       {mode: object{"request_body_mode": "STREAMED", "response_body_mode": "BUFFERED"}, want: of("200", grants)},
		"responses are skipped":  {mode: object{"response_header_mode": "SKIP"}, found: "no_responses", want: of("200", owned)},
		"request bodies have to come back": {
			mode: object{"request_body_mode": "FULL_DUPLEX_STREAMED", "request_trailer_mode": "SEND"}, found: "full_duplex_bodies"},
		"response bodies have to come back": {
			mode: object{"response_body_mode": "FULL_DUPLEX_STREAMED", "response_trailer_mode": "SEND"}, found: "full_duplex_bodies", want: of("200", grants)},
		"answers are ignored": {ignored: true, found: "answers_ignored", want: of("200", owned)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := startService(t, "127.0.0.1:0", policies)
			s := launch(t, name, envoy.Config{Profile: envoy.TwoPhase, MatchBy: envoy.ByRoute}, up, service, func(b object) { makePlain(b, c.mode, c.ignored) })
			s.sendInRow(t, allowed, c.want)
			awaitMisuse(t, service, c.found)
		})
	}
}

// TestGeneratedConfigurationIsNoMisuse sends as many requests through each
// profile that asks by ext_proc.
func TestGeneratedConfigurationIsNoMisuse(t *testing.T) {
	up := startUpstream(t)
	for _, profile := range []envoy.Profile{envoy.OneTrip, envoy.TwoPhase, envoy.NoTrip} {
		t.Run(string(profile), func(t *testing.T) {
			t.Parallel()
			service := startService(t, "127.0.0.1:0", policies)
			s := start(t, "generated", envoy.Config{Profile: profile}, up, service)
			s.sendInRow(t, asked, of("200", grantsAsked))
			awaitMisuse(t, service, "")
		})
	}
}

// makePlain leaves nothing of the configuration but the ext_proc filter, with
// another processing_mode, whose answers may be ignored.
func makePlain(b, mode object, ignored bool) {
	m := manager(b)
	filters := m["http_filters"].([]any)
	decide := filters[slices.IndexFunc(filters, func(f any) bool { return f.(object)["name"] == "corsgate.decide" })].(object)
	delete(decide, "disabled")
	config := decide["typed_config"].(object)
	config["observability_mode"] = ignored
	merge(config, "processing_mode", mode)
	m["http_filters"] = []any{decide, filters[len(filters)-1]}
	for _, host := range m["route_config"].(object)["virtual_hosts"].([]any) {
		delete(host.(object), "typed_per_filter_config")
	}
}

// sendInRow sends requests of an origin whose upstream grants by itself, and
// compares their answers, unless want is nil: then any will do.
func (s *setup) sendInRow(t *testing.T, origin string, want []string) {
	t.Helper()
	for i := range inRow {
		e := exchange{name: fmt.Sprint(i), do: "POST app.test/", with: []string{origin}, answers: owns}
		got := e.send(t, s, "http/1")
		if want == nil {
			continue
		}
		for _, line := range differences(append([]string{"seen"}, want...), got) {
			t.Errorf("request %d: %s", i, line)
		}
	}
}

// awaitMisuse waits until the service has found that kind; an empty one means
// none, once all streams have ended.
func awaitMisuse(t *testing.T, service *corsgate, kind string) {
	t.Helper()
	if kind == "" {
		service.stop() // which waits for open streams
	}
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		found := service.grpc.Misused()
		switch {
		case kind == "" && len(found) == 0, len(found) == 1 && found[0].Kind == kind:
			return
		case time.Since(start) > servertest.Patience, kind == "":
			t.Errorf("found %+v, want %q", found, kind)
			return
		}
	}
}
