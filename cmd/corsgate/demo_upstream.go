package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/server/lines"
)

func newDemoUpstream() *cobra.Command {
	var listen string
	format := oneOf("text", "json")
	cmd := &cobra.Command{
		Use:   "upstream",
		Short: "Run the demo's upstream alone",
		Long: `An application that grants every origin by itself, as many do: whatever the request,
it answers 200 with "Access-Control-Allow-Origin: *". Behind corsgate that header
reaches nobody.`,
		Example: "  corsgate demo upstream --listen 127.0.0.1:8080",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := parseTCP("listen", listen); err != nil {
				return err
			}
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return hinted(fmt.Errorf("upstream: %w", err), "choose another --listen")
			}
			return withLog(cmd, slog.LevelInfo, func(*slog.Logger, *lines.Queue) error {
				return queued(cmd.Context(), cmd.OutOrStdout(), func(stdout *lines.Queue) error {
					printListening(stdout, format.value, l.Addr())
					return serveUpstream(cmd.Context(), l)
				})
			})
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "HOST:PORT to listen on")
	cmd.Flags().Var(format, "format", "how to print the address")
	return cmd
}

// printListening says where the upstream listens.
func printListening(out io.Writer, format string, address net.Addr) {
	if format == "json" {
		_ = writeJSON(out, map[string]string{"listen": address.String()})
		return
	}
	fmt.Fprintf(out, "upstream listens on %s\n", address)
}

// serveUpstream serves the demo's upstream on l until ctx ends.
func serveUpstream(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           http.HandlerFunc(answerUpstream),
		ReadHeaderTimeout: 5 * time.Second,
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("upstream: %w", err)
	}
	return nil
}

// answerUpstream answers every request and lets every origin read the answer.
func answerUpstream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "the upstream answers "+r.Method+"\n")
}
