package main

import (
	"log/slog"
	"time"

	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/source/file"
)

// defaultPoll is the default of --poll-interval.
const defaultPoll = file.DefaultPoll

// sourceOf returns where policies come from, by the text of --policies.
func sourceOf(policies string) live.Source { return watchedSource(policies, 0, false, nil) }

// watchedSource is sourceOf for callers that watch the policies. They are compared every
// poll, and log gets the errors of that. If keep is set, it returns what it has read, for
// a copy.
func watchedSource(policies string, poll time.Duration, keep bool, log *slog.Logger) live.Source {
	return &file.Source{Path: policies, Poll: poll, Keep: keep, Logger: log}
}
