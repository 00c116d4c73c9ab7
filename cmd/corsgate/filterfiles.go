package main

import (
	"fmt"
	"log/slog"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
)

// filterFiles is a sink that keeps the files of an Envoy's filters at what is served.
type filterFiles struct {
	config envoy.Config
	log    *slog.Logger
}

// Prepare implements live.Sink: it compiles the policies, and writes the files beside
// those that Envoy has. An error of the disk refuses the set, too, although it may
// pass: so the service and its Envoy stay at one set, and who edits the policies in
// front of this demo reads the error, and saves them anew.
func (f *filterFiles) Prepare(set *policy.Set) (commit func(), err error) {
	filters, err := f.config.Compile(set)
	if err != nil {
		return nil, err
	}
	staged, err := envoy.StageFilters(f.config.Compiled.Folder, filters)
	if err != nil {
		return nil, fmt.Errorf("write the filters: %w; once that is solved, change the policies so that they are written again", err)
	}
	return func() {
		if err := staged.Commit(); err != nil {
			f.log.Error("the filters could not be replaced, Envoy keeps the ones before", "error", err)
		}
	}, nil
}
