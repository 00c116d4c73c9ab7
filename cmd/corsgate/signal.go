package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// untilSignal returns a context that ends at the first SIGINT or SIGTERM. From
// then on the signals have their default effect again, so that a second one
// ends the process at once.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// surviveClosedPipes makes writing to a pipe without a reader an ordinary error: the reader
// of a log may restart, and the service must not end because of that. It does not ignore
// the signal, since child processes would then ignore it, too.
func surviveClosedPipes() (stop func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGPIPE)
	return func() { signal.Stop(ch) }
}

// endHungUp ends the work of cmd at a SIGHUP, as when its terminal is closed, unless nohup
// makes the process ignore it.
func endHungUp(cmd *cobra.Command) (stop func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return func() {}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
	cmd.SetContext(ctx)
	return stop
}

// hangups returns a channel that gets every SIGHUP until stop is called.
func hangups() (c <-chan os.Signal, stop func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGHUP)
	return ch, func() { signal.Stop(ch) }
}
