package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	extension "github.com/envoyproxy/go-control-plane/envoy/service/extension/v3"
	"github.com/spf13/cobra"
	logs "go.opentelemetry.io/proto/otlp/collector/logs/v1"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/lines"
	"github.com/corsgate/corsgate/server/service"
	"github.com/corsgate/corsgate/server/state"
	"github.com/corsgate/corsgate/server/store"
)

// The defaults of the listeners. Only this machine can reach them.
const (
	defaultGRPCListen  = server.DefaultAddress
	defaultAdminListen = admin.DefaultAddress
)

// serveConfig is what the flags of serve say.
type serveConfig struct {
	policies                string
	stateDir                string
	grpcListen, adminListen string
	metricsListen           string
	adminRemote             bool
	poll                    time.Duration
	drainDelay              time.Duration
	drainTimeout            time.Duration
	maxConnectionAge        time.Duration
	transport               transport
	ecds                    ecdsFlags
	feed                    joinedFlags
	observe                 observeConfig
	access                  storeAccess
	instance                instanceFlags
}

func newServe() *cobra.Command {
	var c serveConfig
	level := oneOf("info", "debug", "warn", "error")
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve policies to Envoy",
		Long: `Serves the policies of a file, a folder or a store to Envoy over gRPC, and reloads them
when they change. With --ecds it compiles them and delivers them to Envoys, which then decide by
themselves. It answers what Envoys ask by ext_proc or ext_authz. It refuses a bad change,
and the last good policies keep serving. If the files are bad at the start, and
--state-dir has no good ones, it prints what is wrong and exits 1. A store that is away
then, or has no good policies, it goes on to ask, and is not ready until it has some.

SIGHUP reloads. SIGTERM and SIGINT drain and end; a second one ends at once.`,
		Example: `  corsgate serve --policies policies/ --ecds
  corsgate serve --policies etcd://127.0.0.1:2379/edge --ecds --state-dir state/ --label zone=eu
  CORSGATE_POLICIES=cors.yaml corsgate serve --grpc-listen unix:///run/corsgate.sock`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defer surviveClosedPipes()()
			signals, stop := hangups()
			defer stop()
			return withLog(cmd, level.level(), func(log *slog.Logger, stderr *lines.Queue) error {
				c.observe.stdout, c.observe.stderr = cmd.OutOrStdout(), stderr
				return c.serve(cmd.Context(), log, signals, stderr)
			})
		},
	}
	c.define(cmd)
	cmd.Flags().Var(level, "log-level", "the lowest level that is logged")
	return cmd
}

// define defines the flags of cmd.
func (c *serveConfig) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.policies, "policies", "", "`PATH` of the policy file or folder, or the URL of a store: "+storeURLs+"; required")
	flags.StringVar(&c.stateDir, "state-dir", "", "`FOLDER` that keeps the last known good policies, which serve after a start until --policies is read and good; none by default")
	flags.StringVar(&c.grpcListen, "grpc-listen", defaultGRPCListen, "HOST:PORT or unix:///PATH where Envoy asks")
	flags.StringVar(&c.adminListen, "admin-listen", defaultAdminListen, "HOST:PORT of the pages /console/, and of /status, /metrics, /denied, /explain, /healthz, /readyz and /-/reload")
	flags.BoolVar(&c.adminRemote, "admin-insecure-allow-remote", false, "let --admin-listen be another address than loopback; whoever reaches it can find out what the policies say, and reload")
	flags.StringVar(&c.metricsListen, "metrics-listen", "", "HOST:PORT of a listener that has only /metrics and /readyz, for who scrapes; none by default")
	flags.DurationVar(&c.poll, "poll-interval", defaultPoll, "how often the policies' content is compared; changes are usually noticed earlier")
	flags.DurationVar(&c.drainDelay, "drain-delay", 2*time.Second, "how long to keep serving, but not healthy, before draining; longer than Envoy's health check interval; 0 means not at all")
	flags.DurationVar(&c.drainTimeout, "drain-timeout", server.DefaultDrainTimeout, "how long open streams may take to end; in two-phase, longer than the slowest route")
	c.transport.define(flags)
	c.ecds.define(flags)
	c.feed.define(flags, &feedWords)
	c.observe.define(flags)
	c.access.define(flags)
	c.instance.define(flags)
	flags.DurationVar(&c.maxConnectionAge, "max-connection-age", 0, "make Envoy reconnect after this time, to spread over replicas; 0 means never")
}

// serve loads the policies and serves them until ctx ends.
func (c *serveConfig) serve(ctx context.Context, log *slog.Logger, hangups <-chan os.Signal, stderr io.Writer) error {
	if err := c.check(); err != nil {
		return err
	}
	tuneMemory()
	svc, err := c.build(log, hangups)
	if err != nil {
		return err
	}
	switch err := svc.Load(ctx); {
	case err == nil, ctx.Err() != nil: // then Run ends at once
	case svc.store != nil: // where others mend it: until then it is not ready
		svc.Reloader.LogRefusal(err)
	default:
		err = mendable(stderr, refusal(c.policies, err), errors.New("no good policies to serve"), exitFailure)
		return errors.Join(err, svc.Close())
	}
	return svc.Run(ctx)
}

// build builds what serve runs and opens its listeners; the flags have been
// checked. Nothing runs yet.
func (c *serveConfig) build(log *slog.Logger, hangups <-chan os.Signal) (*wired, error) {
	l, err := c.listen(log)
	if err != nil {
		return nil, err
	}
	s := &wired{
		grpc: &server.Server{
			Listener: l.grpc, DrainDelay: c.drainDelay, DrainTimeout: c.drainTimeout, MaxConnectionAge: c.maxConnectionAge,
			Absent: c.absent(),
		},
		admin: &admin.Server{Listener: l.admin, Profiles: c.transport.pprof},
		ecds:  c.ecds.server(),
	}
	if err := c.transport.apply(s.grpc, log); err != nil {
		return nil, errors.Join(err, l.close())
	}
	kept, err := c.openState(log)
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	source, err := c.open(s, kept, log)
	if err != nil {
		if kept != nil {
			err = errors.Join(err, kept.Close())
		}
		return nil, errors.Join(err, l.close())
	}
	config := service.Config{
		Source: source, State: kept, StateFirst: s.store != nil, // files are read sooner than a store answers
		GRPC: s.grpc, Admin: s.admin, Metrics: l.metrics, ECDS: s.ecds, Feed: c.feed.feedServer(), Signals: hangups, Logger: log, Version: readBuild().Version, Place: c.policies,
	}
	c.observe.apply(&config)
	s.tuneProcs(&config)
	if s.store != nil {
		s.reportTo(s.store, &c.instance, &config, log)
	}
	s.Service = service.New(config)
	return s, nil
}

// openState opens the folder of the last known good policies; it is nil without
// --state-dir.
func (c *serveConfig) openState(log *slog.Logger) (*state.Dir, error) {
	if c.stateDir == "" {
		return nil, nil
	}
	kept, err := state.Open(c.stateDir, log)
	if err != nil {
		err = fmt.Errorf("--state-dir: %w", err)
		if _, ofSystem := errors.AsType[*fs.PathError](err); ofSystem { // other errors say themselves what to do
			err = hinted(err, "give a folder that this user may write to")
		}
		return nil, err
	}
	return kept, nil
}

// absent are the services that are switched off, with what to do if an Envoy calls them.
func (c *serveConfig) absent() map[string]string {
	list := map[string]string{}
	if !c.ecds.on {
		list[extension.ExtensionConfigDiscoveryService_ServiceDesc.ServiceName] = "it wants the compiled policies, and asks about every request until it has them: add --ecds"
	}
	if !c.feed.on {
		list[logs.LogsService_ServiceDesc.ServiceName] = "it reports what it has decided by itself, which is lost: add --feed, or configure that Envoy without it"
	}
	return list
}

// wired is a service with its listeners, as the flags of serve make it.
type wired struct {
	*service.Service
	grpc  *server.Server
	admin *admin.Server
	ecds  *ecds.Server // nil if nothing is delivered

	store    store.Backend // nil if the policies are files
	reporter *store.Reporter
}

// listeners are those of serve.
type listeners struct {
	grpc, admin net.Listener
	metrics     net.Listener // nil without --metrics-listen
}

// close closes those that are open.
func (l *listeners) close() (err error) {
	for _, one := range []net.Listener{l.grpc, l.admin, l.metrics} {
		if one != nil {
			err = errors.Join(err, one.Close())
		}
	}
	return err
}

// listen opens all listeners or none.
func (c *serveConfig) listen(log *slog.Logger) (l listeners, err error) {
	l.grpc, err = server.Listen(c.grpcListen, fs.FileMode(c.transport.socketMode))
	if err != nil {
		return l, hinted(err, "choose another --grpc-listen, or stop what listens there")
	}
	l.admin, err = c.listenAdmin(log)
	if err == nil && c.metricsListen != "" {
		l.metrics, err = listenTCP("metrics-listen", c.metricsListen)
	}
	if err != nil {
		return l, errors.Join(err, l.close())
	}
	return l, nil
}

// listenAdmin opens the admin listener, with TLS if the flags say so. It speaks HTTP/1.1
// alone: that is enough for its pages, and HTTP/2 would need bounds of its own, such as of
// the requests on a connection.
func (c *serveConfig) listenAdmin(log *slog.Logger) (net.Listener, error) {
	config, err := c.transport.adminTLS.config(log, "http/1.1")
	if err != nil {
		return nil, err
	}
	l, err := listenTCP("admin-listen", c.adminListen)
	if err != nil || config == nil {
		return l, err
	}
	return tls.NewListener(l, config), nil
}

// listenTCP listens on the address of a flag.
func listenTCP(flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, hinted(fmt.Errorf("listen on %s: %w", address, err), "choose another --"+flag+", or stop what listens there")
	}
	return l, nil
}

// grpcAddress returns the address to ask the service at, as Envoy's
// configuration takes it.
func (s *wired) grpcAddress() string {
	a := s.Address()
	if a.Network() == "unix" {
		return "unix://" + a.String()
	}
	return a.String()
}
