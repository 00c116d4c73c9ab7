package main

import (
	"fmt"
	"time"

	"github.com/corsgate/corsgate/server/addr"
)

// check reports flags with which serve cannot run.
func (c *serveConfig) check() error {
	if c.policies == "" {
		return misused("name the policy file or folder: corsgate serve --policies PATH", "no --policies given")
	}
	for _, check := range []func() error{c.checkListeners, c.checkDurations, c.observe.check, c.transport.check, c.checkJoined, c.checkInstance} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *serveConfig) checkListeners() error {
	if err := checkListen("grpc-listen", c.grpcListen); err != nil {
		return err
	}
	if c.metricsListen != "" {
		if _, err := parseTCP("metrics-listen", c.metricsListen); err != nil {
			return err
		}
	}
	admin, err := parseTCP("admin-listen", c.adminListen)
	if err != nil {
		return err
	}
	if !c.adminRemote && !c.transport.adminTLS.on() && !admin.IsLoopback() {
		return misused("listen on 127.0.0.1, or add --admin-tls-cert and --admin-tls-client-ca, or add --admin-insecure-allow-remote if nobody else can reach the address",
			"--admin-listen %s is not a loopback address", c.adminListen)
	}
	return nil
}

func (c *serveConfig) checkJoined() error {
	if err := c.ecds.check(&ecdsWords, c.grpcListen, &c.transport.grpcTLS); err != nil {
		return err
	}
	return c.feed.check(&feedWords, c.grpcListen, &c.transport.grpcTLS)
}

func (c *serveConfig) checkDurations() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
		least time.Duration
	}{
		{"poll-interval", c.poll, 1},
		{"drain-delay", c.drainDelay, 0},
		{"drain-timeout", c.drainTimeout, 1},
		{"max-connection-age", c.maxConnectionAge, 0},
	} {
		if err := checkDuration(d.flag, d.value, d.least); err != nil {
			return err
		}
	}
	return nil
}

// checkDuration reports a duration below least, which is 0 if 0 means "none", and
// otherwise 1.
func checkDuration(flag string, value, least time.Duration) error {
	switch {
	case value >= least:
		return nil
	case least > 0:
		return misused("write a duration above 0, such as 5s", "--%s %v is not above 0", flag, value)
	default:
		return misused("write 0 for none, or a duration such as 5s", "--%s %v is negative", flag, value)
	}
}

// checkListen reports a flag that is not an address.
func checkListen(flag, value string) error {
	if _, err := addr.Parse(value); err != nil {
		return asFault(fmt.Errorf("--%s: %w", flag, err), exitUsage)
	}
	return nil
}

// parseTCP returns the address of a flag that takes no Unix socket.
func parseTCP(flag, value string) (addr.Address, error) {
	a, err := addr.Parse(value)
	if err != nil || a.Path != "" {
		return a, misused("write it as HOST:PORT, such as 127.0.0.1:9002", "--%s %q is not a host and port", flag, value)
	}
	return a, nil
}
