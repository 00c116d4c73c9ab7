package main

import (
	"io"
	"net/url"

	"github.com/spf13/pflag"

	"github.com/corsgate/corsgate/server/lines"
	"github.com/corsgate/corsgate/server/service"
)

// The values of --decision-log.
const (
	decisionsOff     = "off"
	decisionsSampled = "sampled"
	decisionsAll     = "all"
)

// observeConfig is what the flags say about how decisions are observed.
type observeConfig struct {
	decisionLog    *choice // nil is off
	decisionSample int
	traceEndpoint  string
	// stdout gets the decision log, and stderr the service's log. stderr is nil if that log
	// is not written to a queue.
	stdout io.Writer
	stderr *lines.Queue
}

func (c *observeConfig) define(flags *pflag.FlagSet) {
	c.decisionLog = oneOf(decisionsOff, decisionsSampled, decisionsAll)
	flags.Var(c.decisionLog, "decision-log", "which decisions are written to standard output, as JSON lines")
	flags.IntVar(&c.decisionSample, "decision-log-sample", 100, "with --decision-log sampled, write 1 decision of this many")
	flags.StringVar(&c.traceEndpoint, "trace-endpoint", "", "`URL` of an OpenTelemetry collector, OTLP over gRPC, such as http://127.0.0.1:4317; empty means no tracing")
}

// check reports flags by which nothing can be observed.
func (c *observeConfig) check() error {
	if c.decisionLog != nil && c.decisionLog.value == decisionsSampled && c.decisionSample < 1 {
		return misused("write 100 to log one decision of 100", "--decision-log-sample %d is not a positive number", c.decisionSample)
	}
	if c.traceEndpoint == "" {
		return nil
	}
	u, err := url.Parse(c.traceEndpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return misused("write it as http://127.0.0.1:4317, or with https for TLS", "--trace-endpoint %q is not the URL of a collector", c.traceEndpoint)
	}
	return nil
}

// every returns n if one of n decisions is written; 0 means none.
func (c *observeConfig) every() int {
	switch {
	case c.decisionLog == nil || c.decisionLog.value == decisionsOff:
		return 0
	case c.decisionLog.value == decisionsAll:
		return 1
	}
	return c.decisionSample
}

// apply sets the observers of the service of config.
func (c *observeConfig) apply(config *service.Config) {
	config.Decisions, config.Every, config.TraceEndpoint = c.stdout, c.every(), c.traceEndpoint
	if c.stderr != nil {
		config.LogDropped = c.stderr.Dropped
	}
}
