//go:build linux

package kubernetes

import (
	"net"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secretv3 "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"
)

// agent hands Envoy the certificate of HTTPS listeners, as Istio's agent beside it does.
type agent struct {
	secretv3.UnimplementedSecretDiscoveryServiceServer
	cert, key string
}

// startAgent serves the certificate until the test ends.
func startAgent(t *testing.T, cert, key string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:25531")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	secretv3.RegisterSecretDiscoveryServiceServer(s, &agent{cert: cert, key: key})
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l) // it ends with Stop
	}()
	t.Cleanup(func() {
		s.Stop()
		<-served
	})
}

// StreamSecrets answers what is asked first; what follows acknowledges it.
func (a *agent) StreamSecrets(stream secretv3.SecretDiscoveryService_StreamSecretsServer) error {
	for {
		req, err := stream.Recv()
		if err != nil {
			return err
		}
		if req.GetVersionInfo() != "" {
			continue
		}
		secret, err := anypb.New(&tlsv3.Secret{
			Name: req.GetResourceNames()[0],
			Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: file(a.cert), PrivateKey: file(a.key)}},
		})
		if err != nil {
			return err
		}
		err = stream.Send(&discovery.DiscoveryResponse{VersionInfo: "1", Nonce: "1", TypeUrl: req.GetTypeUrl(), Resources: []*anypb.Any{secret}})
		if err != nil {
			return err
		}
	}
}

func file(path string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: path}}
}
