package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/server/addr"
)

func newHealth() *cobra.Command {
	var address string
	var timeout time.Duration
	format := oneOf("text", "json")
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Exit 0 if a corsgate is ready, 1 if it is not",
		Long: `Asks the admin listener of a running corsgate for /readyz. It is ready from the
first good set of policies until it begins to drain. It is for the health checks of
containers, whose images often have no other program that can ask.

Without --admin-address it asks at the address of CORSGATE_ADMIN_LISTEN, where serve
listens, so that both can have the same environment. If that is an address such as
0.0.0.0, it asks on loopback.`,
		Example: "  corsgate health --admin-address 127.0.0.1:9002",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkDuration("timeout", timeout, 1); err != nil {
				return err
			}
			address, err := adminToAsk(address, cmd.Flags().Changed("admin-address"))
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return printReady(cmd.OutOrStdout(), format.value, askReady(ctx, address))
		},
	}
	cmd.Flags().StringVar(&address, "admin-address", defaultAdminListen, "HOST:PORT of the admin listener")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Second, "how long to wait for the answer")
	cmd.Flags().Var(format, "format", "how to print the result; text prints only what is wrong")
	return cmd
}

// printReady prints as JSON whether a corsgate is ready; err says why it is not. It returns
// err.
func printReady(out io.Writer, format string, err error) error {
	if format != "json" {
		return err
	}
	answer := struct {
		Ready bool   `json:"ready"`
		Error string `json:"error,omitempty"`
	}{Ready: err == nil}
	if err != nil {
		answer.Error = err.Error()
	}
	if failed := writeJSON(out, answer); failed != nil {
		return failed
	}
	return err
}

// adminToAsk returns where to ask the admin listener: at the address of
// --admin-address if it is given, else where serve would listen in this
// environment.
func adminToAsk(address string, given bool) (string, error) {
	source := "--admin-address"
	if listen := os.Getenv(variable("admin-listen")); !given && listen != "" {
		address, source = listen, "environment variable "+variable("admin-listen")
	}
	a, err := addr.Parse(address)
	if err != nil || a.Path != "" {
		return "", misused("write it as HOST:PORT", "invalid %s %q", source, address)
	}
	// A client cannot connect to "every address", but loopback is one of them.
	if ip, err := netip.ParseAddr(a.Host); a.Host == "" || err == nil && ip.IsUnspecified() {
		a.Host = "127.0.0.1"
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)), nil
}

// askReady returns nil when the admin listener at address says that it is ready.
func askReady(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := directClient.Do(req)
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
