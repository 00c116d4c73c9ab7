package server_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	modev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/corsgate/corsgate/server"
)

// configured is a message with what Envoy says of its processing_mode.
func configured(m *extprocv3.ProcessingRequest, c *extprocv3.ProtocolConfiguration) *extprocv3.ProcessingRequest {
	m.ProtocolConfig = c
	return m
}

// observed is a message of an Envoy that ignores the answer.
func observed(m *extprocv3.ProcessingRequest) *extprocv3.ProcessingRequest {
	m.ObservabilityMode = true
	return m
}

func TestMisusesAreFound(t *testing.T) {
	type streams = [][]*extprocv3.ProcessingRequest
	const fullDuplex = modev3.ProcessingMode_FULL_DUPLEX_STREAMED
	none := &extprocv3.ProtocolConfiguration{}
	ok := func() *extprocv3.ProcessingRequest { return responseHeaders(":status: 200") }
	alone := []*extprocv3.ProcessingRequest{configured(get("list.test", app), none)}
	whole := []*extprocv3.ProcessingRequest{configured(get("list.test", app), none), ok()}
	for name, c := range map[string]struct {
		streams streams
		want    []string // kinds and how often
	}{
		"both phases": {streams{whole, whole}, nil},
		"request bodies have to come back": {
			streams{{configured(get("list.test", app), &extprocv3.ProtocolConfiguration{RequestBodyMode: fullDuplex}), ok()}}, []string{"full_duplex_bodies 1"}},
		"response bodies have to come back": {
			slices.Repeat(streams{{configured(get("list.test", app), &extprocv3.ProtocolConfiguration{ResponseBodyMode: fullDuplex}), ok()}}, 3), []string{"full_duplex_bodies 3"}},
		"bodies that are shown spoil nothing": {
			streams{{configured(get("list.test", app), &extprocv3.ProtocolConfiguration{ResponseBodyMode: modev3.ProcessingMode_BUFFERED}), ok()}}, nil},
		"the answers are ignored":         {streams{{observed(get("list.test", app)), observed(ok())}}, []string{"answers_ignored 1"}},
		"responses are skipped":           {slices.Repeat(streams{alone}, 12), []string{"no_responses 3"}},
		"some clients go away":            {slices.Repeat(streams{alone}, 9), nil},
		"clients go away now and then":    {slices.Concat(slices.Repeat(streams{alone}, 9), streams{whole}, slices.Repeat(streams{alone}, 9)), nil},
		"preflights need no response":     {slices.Repeat(streams{{configured(preflight("list.test", app, "PUT"), none)}}, 12), nil},
		"nothing to edit in the response": {slices.Repeat(streams{{configured(get("off.test", app), none)}}, 12), nil},
		"a response that comes alone":     {slices.Repeat(streams{{ok()}}, 12), nil},
		"Envoy writes the headers, one-trip": {
			slices.Repeat(streams{{configured(get("list.test", app), &extprocv3.ProtocolConfiguration{SendBodyWithoutWaitingForHeaderResponse: true})}}, 12), nil},
		"two kinds": {
			append(slices.Repeat(streams{alone}, 10), streams{{observed(get("list.test", app)), ok()}}...), []string{"answers_ignored 1", "no_responses 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			m := newMeter()
			s := &server.Server{Handler: testHandler(t, nil), Meter: m, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
			client := extprocv3.NewExternalProcessorClient(serve(t, s))
			for _, send := range c.streams {
				talk(t, client, send)
				<-m.ended
			}
			var got []string
			told := 0
			for _, u := range s.Misused() {
				got = append(got, fmt.Sprint(u.Kind, " ", u.Streams))
				told += int(u.Streams)
				if n := strings.Count(log.String(), "ext_proc="+u.Kind); n != 1 || u.Effect == "" || u.Hint == "" {
					t.Errorf("%s is logged %d times, effect %q, hint %q", u.Kind, n, u.Effect, u.Hint)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
			if n := strings.Count(strings.Join(m.lines, "\n"), "misused "); n != told {
				t.Errorf("the meter was told %d times, want %d", n, told)
			}
		})
	}
}
