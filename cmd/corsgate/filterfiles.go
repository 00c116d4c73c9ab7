package main

import (
	"fmt"
	"log/slog"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/policy"
)

// filterFiles is a sink that writes the set that serves into the files of an Envoy's
// filters.
type filterFiles struct {
	config envoy.Config
	log    *slog.Logger
}

// Prepare implements live.Sink: it compiles the policies, and writes the files beside
// those that Envoy has. An error of the disk also refuses the set, although it may be
// temporary. So the service and its Envoy stay at one set, and the user of this demo reads
// the error, and saves the policies again.
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
