package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/grpclog"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/lines"
)

// withLog runs work, which serves, with a log on cmd's standard error. Nothing waits for
// the log, since stderr is a queue. The error of work is printed there, too.
func withLog(cmd *cobra.Command, level slog.Level, work func(log *slog.Logger, stderr *lines.Queue) error) error {
	text := isTerminal(cmd.ErrOrStderr())
	return queued(cmd.Context(), cmd.ErrOrStderr(), func(stderr *lines.Queue) error {
		stderr.Missed = func(n uint64) []byte { return missedLines(text, n) }
		log := newLogger(stderr, text, level)
		slog.SetDefault(log) // libraries log there, too
		code := report(stderr, cmd.CommandPath(), asFault(work(log, stderr), exitFailure))
		if code == exitOK {
			return nil
		}
		return reported(code)
	})
}

// queued runs work with a queue before w. It returns once all that work has written is
// written to w, or w does not take it.
func queued(ctx context.Context, w io.Writer, work func(q *lines.Queue) error) error {
	q := lines.New(w)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		q.Run(ctx)
	}()
	err := work(q)
	cancel()
	<-ended
	return err
}

// newLogger returns the logger of a process whose logs go to w: text for a
// person at a terminal, JSON for everything else.
func newLogger(w io.Writer, text bool, level slog.Level) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if text {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(printableJSON{w}, opts))
}

// printableJSON writes JSON that is harmless for a terminal; text is harmless anyway.
type printableJSON struct{ io.Writer }

// Write writes a line.
func (w printableJSON) Write(line []byte) (int, error) {
	if _, err := w.Writer.Write(printable.JSON(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// missedLines is the line for n lines of a log that were dropped.
func missedLines(text bool, n uint64) []byte {
	var line bytes.Buffer
	newLogger(&line, text, slog.LevelWarn).Warn("lines of this log were dropped, since nobody read them", "lines", n)
	return line.Bytes()
}

// logGRPC makes grpc-go log its errors as the process does. By default it prints them to
// standard error, and waits for the reader.
func logGRPC() {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, grpcErrors{}))
}

// grpcErrors is where grpc-go prints its errors.
type grpcErrors struct{}

// Write logs one error.
func (grpcErrors) Write(b []byte) (int, error) {
	slog.Error("gRPC", "error", strings.TrimSpace(string(b)))
	return len(b), nil
}
