package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/access"
)

// probeFlags are the flags of doctor's requests.
type probeFlags struct {
	url, ca              string
	unsafe, unverifiable bool
	timeout              time.Duration
}

func (f *probeFlags) define(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "probe", "", "`URL` of Envoy's listener, https://HOST[:PORT], to send requests to; needs --policies")
	flags.BoolVar(&f.unsafe, "probe-unsafe", false, "send POST, too, of an origin that is not allowed: an application may act on it")
	flags.DurationVar(&f.timeout, "probe-timeout", doctor.ProbeTimeout, "how long all requests may take, and one of them a quarter of that")
	flags.StringVar(&f.ca, "probe-ca", "", "`FILE` with the certificates that the listener's certificate is checked by, instead of the system's")
	flags.BoolVar(&f.unverifiable, "probe-insecure-skip-verify", false, "do not check the listener's certificate")
}

// check reports flags that do not fit together.
func (f *probeFlags) check(policies string) error {
	u, err := url.Parse(f.url)
	switch {
	case f.url == "" && (f.unsafe || f.unverifiable || f.ca != ""):
		return misused("leave them out, or add --probe https://127.0.0.1:8443", "--probe-unsafe, --probe-ca and --probe-insecure-skip-verify are about --probe")
	case f.url == "":
		return nil
	case f.timeout <= 0:
		return misused("write more than 0, as in --probe-timeout 5m", "invalid --probe-timeout %v", f.timeout)
	case policies == "":
		return misused("name the policies that corsgate serves with --policies", "--probe asks for hosts and origins of policies")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "":
		return misused("write it as in --probe https://127.0.0.1:8443", "invalid --probe %q", f.url)
	}
	return nil
}

// send sends the requests, and adds what they find.
func (f *probeFlags) send(cmd *cobra.Command, set *policy.Set, r *doctor.Report) error {
	roots, err := f.roots()
	if err != nil {
		return err
	}
	u, err := url.Parse(f.url)
	if err != nil {
		return err
	}
	p := doctor.Prober{
		URL: u, Policies: set, Unsafe: f.unsafe, Timeout: f.timeout, Progress: progressLine(cmd.ErrOrStderr()),
		TLS: &tls.Config{RootCAs: roots, InsecureSkipVerify: f.unverifiable}, //nolint:gosec // the user says so
	}
	p.Probe(cmd.Context(), r)
	if cmd.Context().Err() != nil {
		return &fault{err: errors.New("interrupted"), code: exitInterrupted}
	}
	return nil
}

func (f *probeFlags) roots() (*x509.CertPool, error) {
	if f.ca == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, asFault(access.Explain(printable.Error(err), f.ca), exitUsage)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, misused("give a file of certificates in PEM", "%s has no certificate", printable.Name(f.ca))
	}
	return pool, nil
}

// progressLine returns what shows on a terminal how far the requests are.
func progressLine(w io.Writer) func(done, all int) {
	if !isTerminal(w) {
		return nil
	}
	return func(done, all int) {
		fmt.Fprintf(w, "\r%d of %d requests", done, all)
		if done == all {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}
