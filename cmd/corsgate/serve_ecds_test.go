package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	extension "github.com/envoyproxy/go-control-plane/envoy/service/extension/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	grpcstatus "google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// mutual serves over mTLS what the flags of set say, and returns the credentials of a
// client of a name.
func mutual(t *testing.T, set func(*serveConfig)) (svc *wired, as func(name string) credentials.TransportCredentials) {
	t.Helper()
	svc, authority := serveMutual(t, func(c *serveConfig, own tlsFlags) {
		c.transport.grpcTLS = own
		set(c)
	})
	return svc, func(name string) credentials.TransportCredentials {
		return credentials.NewTLS(&tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{*authority.Client(t, name)}})
	}
}

// serveMutual serves what the flags of set say, which may use those of mTLS with a
// certificate of an authority's.
func serveMutual(t *testing.T, set func(c *serveConfig, own tlsFlags)) (*wired, *tlstest.Authority) {
	t.Helper()
	folder, authority := t.TempDir(), tlstest.New(t)
	in := func(name string) string { return filepath.Join(folder, name) }
	authority.Write(t, in("tls.crt"), in("tls.key"), "localhost", "127.0.0.1")
	c := serveConfig{
		policies: filepath.Join(root, "envoy", "policies"), grpcListen: "127.0.0.1:0", adminListen: "127.0.0.1:0",
		poll: time.Hour, // the files do not change
	}
	set(&c, tlsFlags{cert: in("tls.crt"), key: in("tls.key"), clientCA: authority.WriteCA(t, in("ca.crt"))})
	svc, err := c.build(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	servertest.Run(t, svc.Run)
	return svc, authority
}

// TestECDSDeliversToAllowedClients has the compiled policies asked for over mTLS.
func TestECDSDeliversToAllowedClients(t *testing.T) {
	svc, as := mutual(t, func(c *serveConfig) {
		c.ecds = ecdsFlags{joinedFlags: joinedFlags{on: true, allowed: []string{"envoy.example"}}}
	})
	const shard = "corsgate-1-of-2.ports-8443.named"
	response, err := askECDS(servertest.Context(t), svc.grpcAddress(), as("envoy.example"), shard)
	if err != nil {
		t.Fatal(err)
	}
	if got := response.GetResources()[0]; got.GetName() != shard || got.GetResource() == nil {
		t.Errorf("got %v", got)
	}
	if _, err := askECDS(servertest.Context(t), svc.grpcAddress(), as("dev.example"), shard); grpcstatus.Code(err) != codes.PermissionDenied {
		t.Errorf("another client: %v", err)
	}
	_, err = askECDS(servertest.Context(t), svc.grpcAddress(), as("envoy.example"), "corsgate.wasm")
	if grpcstatus.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), `the part "wasm" is not known`) {
		t.Errorf("an unknown name: %v", err)
	}
}

// TestTheBudgetBoundsWhatIsDelivered has a budget that no policy fits in: each is asked
// about whole.
func TestTheBudgetBoundsWhatIsDelivered(t *testing.T) {
	set := envoytest.Set(t, filepath.Join(root, "envoy", "policies"))
	var sizes []int
	for _, budget := range []size{1, notrip.DefaultBudget} {
		compile, err := (&ecdsFlags{budget: budget}).compiler("corsgate")
		if err != nil {
			t.Fatal(err)
		}
		list, err := compile(set)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(list[0].Encoded))
	}
	if sizes[0] >= sizes[1] {
		t.Errorf("%d bytes, and %d within the budget", sizes[0], sizes[1])
	}
}

// askECDS asks for a resource, and returns the first response.
func askECDS(ctx context.Context, address string, as credentials.TransportCredentials, name string) (*discovery.DeltaDiscoveryResponse, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(as))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stream, err := extension.NewExtensionConfigDiscoveryServiceClient(conn).DeltaExtensionConfigs(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&discovery.DeltaDiscoveryRequest{ResourceNamesSubscribe: []string{name}}); err != nil {
		return nil, err
	}
	return stream.Recv()
}
