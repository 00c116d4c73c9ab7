package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newHealth() *cobra.Command {
	var address string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Exit 0 when a corsgate is ready, 1 when it is not",
		Long: `Asks the admin listener of a running corsgate for /readyz. It is ready from the
first good set of policies until it begins to drain. Made for the health checks of
containers, whose images often have no other program to ask with.`,
		Example: "  corsgate health --admin-address 127.0.0.1:9002",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return askReady(ctx, address)
		},
	}
	cmd.Flags().StringVar(&address, "admin-address", defaultAdminListen, "HOST:PORT of the admin listener")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Second, "how long to wait for the answer")
	return cmd
}

// askReady returns nil when the admin listener at address says that it is ready.
func askReady(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return misused("write it as HOST:PORT", "invalid --admin-address %q", address)
	}
	// A client of its own: the default one would go through a proxy that the
	// environment names.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return hinted(fmt.Errorf("cannot ask %s: %w", address, err),
			"is 'corsgate serve' running, and is --admin-address its --admin-listen?")
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
	return hinted(fmt.Errorf("not ready: %s: %s", resp.Status, strings.TrimSpace(string(body))),
		"GET http://"+address+"/status says why")
}
