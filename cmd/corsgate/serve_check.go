package main

import "time"

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
