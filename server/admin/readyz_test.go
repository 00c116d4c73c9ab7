package admin

import (
	"testing"
	"time"

	"github.com/corsgate/corsgate/server/live"
)

func TestReadiness(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	lost := &live.Failure{Message: "read the policies: the store is away\x1b"}
	for name, c := range map[string]struct {
		status live.Status
		want   string
	}{
		"good":                       {live.Status{ServedFrom: live.FromSource, StateAt: at}, "ready"},
		"the source was lost":        {live.Status{ServedFrom: live.FromSource, StateAt: at.Add(time.Hour), LoadedAt: at, LastError: lost}, "ready, but serving the last good policies, loaded at 2026-03-01T12:00:00Z: read the policies: the store is away\\x1b"},
		"the source was never there": {live.Status{ServedFrom: live.FromState, StateAt: at, LastError: lost}, "ready, but serving the last known good policies of 2026-03-01T12:00:00Z: read the policies: the store is away\\x1b"},
		"the source was not read":    {live.Status{ServedFrom: live.FromState, StateAt: at}, "ready, but serving the last known good policies of 2026-03-01T12:00:00Z: the source was not read yet"},
	} {
		if got := readiness(c.status); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for name, c := range map[string]struct {
		status live.Status
		want   string
	}{
		"at first":                         {live.Status{}, "not ready: no policies yet, or draining"},
		"draining":                         {live.Status{Generation: 1}, "not ready: no policies yet, or draining"},
		"draining, and the source is gone": {live.Status{Generation: 1, LastError: lost}, "not ready: no policies yet, or draining"},
		"the source was never there":       {live.Status{LastError: lost}, "not ready, there are no policies yet: read the policies: the store is away\\x1b"},
	} {
		if got := hindrance(c.status); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
