package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	extension "github.com/envoyproxy/go-control-plane/envoy/service/extension/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/etcd"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/tlsfile"
)

func TestAccessOfAStoreIsSaidByFlagsAndByTheEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"store-tls-ca": "ca.pem", "store-tls-cert": "cert.pem", "store-tls-key": "key.pem", "store-user": "gw", "store-password": "secret",
	} {
		t.Setenv(variable(name), value)
	}
	got, want := accessOfEnvironment().config("etcds://h/edge"), etcd.Config{
		URL: "etcds://h/edge", TLS: tlsfile.ClientFiles{CA: "ca.pem", Cert: "cert.pem", Key: "key.pem"}, User: "gw", Password: "secret",
	}
	if got != want {
		t.Errorf("the environment says %+v, want %+v", got, want)
	}
	cmd := newServe()
	var c serveConfig
	cmd.ResetFlags()
	c.define(cmd)
	if err := cmd.ParseFlags([]string{"--store-tls-ca", "a", "--store-tls-cert", "b", "--store-tls-key", "c", "--store-user", "d", "--store-password-file", "e"}); err != nil {
		t.Fatal(err)
	}
	want = etcd.Config{URL: "etcds://h/edge", TLS: tlsfile.ClientFiles{CA: "a", Cert: "b", Key: "c"}, User: "d", PasswordFile: "e"}
	if got := c.access.config("etcds://h/edge"); got != want {
		t.Errorf("the flags say %+v, want %+v: a file goes before the variable", got, want)
	}
}

func TestAnInstanceIsNamedByHostAndListener(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for want, listener := range map[string]net.Addr{
		host + ":9001":              &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9001},
		host + ":9002":              &net.TCPAddr{IP: net.IPv6unspecified, Port: 9002},
		host + ":run-corsgate.sock": &net.UnixAddr{Net: "unix", Name: "/run/corsgate.sock"},
		host + ":corsgate":          &net.UnixAddr{Net: "unix", Name: "@corsgate"},
		host + ":a-b":               &net.UnixAddr{Net: "unix", Name: "/a b"},
	} {
		got := nameOf(listener)
		if got != want || !instanceName.MatchString(got) {
			t.Errorf("%v: %q, want %q", listener, got, want)
		}
	}
	long := nameOf(&net.UnixAddr{Net: "unix", Name: strings.Repeat("x", 300)})
	if !instanceName.MatchString(long) {
		t.Errorf("%q is not the name of an instance", long)
	}
}

func TestLabels(t *testing.T) {
	var l labels
	for _, text := range []string{"zone=eu,rack=7", "zone=eu", "a.example/b=", "c=x=y"} {
		if err := l.Set(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got, want := l.String(), "a.example/b=,c=x=y,rack=7,zone=eu"; got != want {
		t.Errorf("labels %q, want %q", got, want)
	}
	for _, text := range []string{"", "zone", "=eu", "zone=us", "a=b,", "a=\x1b", "-a=b", "a=" + strings.Repeat("x", 254)} {
		if err := l.Set(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestTheLastRefusalIsTold(t *testing.T) {
	r := &lastRefusal{}
	load := func(l live.Load) { r.Loading()(l) }
	for _, c := range []struct {
		load live.Load
		want string
	}{
		{live.Load{}, ""},
		{live.Load{Err: &live.LoadError{Err: &live.Fault{Code: store.CodeRegressed, Err: errors.New("lost")}}}, store.CodeRegressed},
		{live.Load{Err: &live.LoadError{Err: context.Canceled}, Cut: true}, store.CodeRegressed},
		{live.Load{Err: &live.LoadError{Err: errors.New("away")}}, live.CodeUnreadable},
		{live.Load{}, ""},
	} {
		load(c.load)
		if got := r.code(); got != c.want {
			t.Errorf("after %+v: %q, want %q", c.load, got, c.want)
		}
	}
}

// TestAnInstanceTellsOfItsEnvoys has an Envoy ask that acknowledges nothing.
func TestAnInstanceTellsOfItsEnvoys(t *testing.T) {
	url := fillStore(t)
	c := serveConfig{
		policies: url, grpcListen: "127.0.0.1:0", adminListen: "127.0.0.1:0",
		ecds: ecdsFlags{joinedFlags: joinedFlags{on: true}, budget: notrip.DefaultBudget}, instance: instanceFlags{name: "gw-2", labels: labels{"zone": "eu"}},
	}
	svc, err := c.build(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop := servertest.Run(t, svc.Run)
	conn, err := grpc.NewClient(svc.grpcAddress(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := extension.NewExtensionConfigDiscoveryServiceClient(conn).DeltaExtensionConfigs(servertest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&discovery.DeltaDiscoveryRequest{ResourceNamesSubscribe: []string{"corsgate.named"}}); err != nil {
		t.Fatal(err)
	}
	b := &store.Folder{Path: strings.TrimPrefix(url, schemeFolder)}
	reported := func(ok func(store.Instance) bool) func() bool {
		return func() bool {
			list, err := store.Instances(t.Context(), b)
			return err == nil && len(list) == 2 && ok(list[1])
		}
	}
	servertest.Await(t, "a report of an Envoy that waits", reported(func(i store.Instance) bool {
		return i.Name == "gw-2" && i.Ready && i.Serves.Revision == 2 && i.Labels["zone"] == "eu" && i.Refused == "" && i.Envoys["waiting"] == 1
	}))
	if f, err := fleetOf(t.Context(), b); err != nil || f.Revision != 2 || f.At.IsZero() || len(f.Instances) != 2 || f.Instances[1].Name != "gw-2" || f.Instances[1].Revision != 2 ||
		f.Instances[1].Serves || f.Instances[1].Standing != "ready" || !slices.Contains(f.Instances[1].Details, "Envoys: 1 waiting") {
		t.Errorf("the console shows %+v, %v", f, err)
	}
	if err := os.WriteFile(filepath.Join(b.Path, "objects", "w", "target"), []byte("spoilt"), 0o600); err != nil {
		t.Fatal(err)
	}
	servertest.Await(t, "a report of the refusal", reported(func(i store.Instance) bool {
		return i.Serves.Revision == 2 && i.Ready && i.Refused == store.CodeTarget
	}))
	stop()
	list, err := store.Instances(t.Context(), b)
	if err != nil || len(list) != 1 {
		t.Errorf("the instance has ended, and is still known: %+v %v", list, err)
	}
}

func TestAnInstanceEndsWithItsService(t *testing.T) {
	c := serveConfig{policies: fillStore(t), grpcListen: "127.0.0.1:0", adminListen: "127.0.0.1:0"}
	svc, err := c.build(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.grpc.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := servertest.Context(t)
	if err := svc.Run(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("without a listener: %v, and the time is over: %v", err, ctx.Err())
	}
}
