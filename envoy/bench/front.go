package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy"
)

// front is an Envoy that is measured.
type front struct {
	address, admin string // of the traffic listener and of its own
	pid            int
	stop           func() error
}

// startGenerated runs an Envoy with the bootstrap that generated returns for c.
func startGenerated(ctx context.Context, binary string, c envoy.Config) (*front, error) {
	p, err := generated(c)
	if err != nil {
		return nil, err
	}
	return startFront(ctx, binary, p.bootstrap)
}

// startFront runs an Envoy with one worker until ctx ends or stop is called.
func startFront(ctx context.Context, binary string, bootstrap object) (*front, error) {
	doc, err := json.Marshal(bootstrap)
	if err != nil {
		return nil, fmt.Errorf("write a bootstrap: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	ready, ended := make(chan envoy.Addresses, 1), make(chan error, 1)
	p := envoy.Process{Binary: binary, Bootstrap: doc, Ready: func(a envoy.Addresses) { ready <- a }}
	go func() { ended <- p.Run(ctx) }()
	f := &front{stop: func() error {
		cancel()
		return <-ended
	}}
	select {
	case a := <-ready:
		f.address, f.admin = a.Listeners["traffic"], a.Admin
	case err := <-ended:
		err = cmp.Or(err, ctx.Err()) // an Envoy that was told to end has no error
		cancel()
		return nil, err
	}
	if f.pid, err = envoyAt(f.admin); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

// envoyAt returns the process ID of the Envoy with that admin listener. Its
// command line names the file that it has written the address to.
func envoyAt(admin string) (int, error) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, file := range lines {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		args := strings.Split(string(text), "\x00")
		at := slices.Index(args, "--admin-address-path")
		if at < 0 || at+1 == len(args) {
			continue
		}
		if address, err := os.ReadFile(args[at+1]); err == nil && string(bytes.TrimSpace(address)) == admin {
			return strconv.Atoi(filepath.Base(filepath.Dir(file)))
		}
	}
	return 0, fmt.Errorf("no process is the envoy whose admin listener is %s", admin)
}

// counter reads one of Envoy's counters. A counter that does not exist yet is 0.
func (f *front) counter(ctx context.Context, name string) (int, error) {
	text, err := get(ctx, "http://"+f.admin+"/stats?filter=^"+name+"$")
	if err != nil {
		return 0, fmt.Errorf("read envoy's counters: %w", err)
	}
	_, value, found := strings.Cut(strings.TrimSpace(string(text)), ": ")
	if !found {
		return 0, nil
	}
	return strconv.Atoi(value)
}
