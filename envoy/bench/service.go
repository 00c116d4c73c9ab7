package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/service"
	"github.com/corsgate/corsgate/server/source/file"
)

// serviceJob asks for a corsgate that reports on itself.
type serviceJob struct{ Policies, Listen string }

// The lines that playService understands. Any other line is the path of a file, into
// which it writes a CPU profile of the time since that line.
const (
	askMallocs  = "mallocs"
	askProfiles = "profile"
)

// playService serves policies as "corsgate serve" does, counts what it
// allocates, and profiles itself.
func playService(ctx context.Context, j serviceJob, in *bufio.Scanner, out io.Writer) error {
	l, err := server.Listen(j.Listen, 0)
	if err != nil {
		return err
	}
	s := service.New(service.Config{Source: &file.Source{Path: j.Policies}, GRPC: &server.Server{Listener: l}})
	if err := s.Load(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	fmt.Fprintln(out, dialable(l.Addr()))
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.Run(ctx) })
	g.Go(func() error {
		defer cancel()
		return tell(in, out)
	})
	return g.Wait()
}

// tell answers what the benchmark asks until it has no more questions.
func tell(in *bufio.Scanner, out io.Writer) error {
	var profile bytes.Buffer
	for in.Scan() {
		switch line := in.Text(); line {
		case askMallocs:
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			fmt.Fprintln(out, m.Mallocs)
		case askProfiles:
			if err := pprof.StartCPUProfile(&profile); err != nil {
				return err
			}
			fmt.Fprintln(out, "profiling")
		default:
			pprof.StopCPUProfile()
			if err := os.WriteFile(line, profile.Bytes(), 0o600); err != nil {
				return err
			}
			fmt.Fprintln(out, "written")
		}
	}
	return nil
}
