package life

import (
	"crypto/tls"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// refused is what a request of an allowed origin gets when corsgate does not
// let Envoy in, and Envoy fails closed.
func refused(ask) outcome { return outcome{503, ""} }

// TestTransports has Envoy reach corsgate in each way that it can.
func TestTransports(t *testing.T) {
	binary, folder, up := corsgatetest.Build(t), t.TempDir(), startUpstream(t)
	file := filepath.Join(folder, "policies.yaml")
	if err := os.WriteFile(file, []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(folder, "corsgate.sock")
	leaveStale(t, binary, file, socket)
	for _, c := range []struct {
		name   string
		listen string
		tls    func(*testing.T) (args []string, socket any)
		want   func(ask) outcome
	}{
		{"TCP", "127.0.0.1:0", nil, serves},
		{"a Unix socket over a stale one", "unix://" + socket, nil, serves},
		{"an abstract socket", "unix://@" + socket, nil, serves},
		{"TLS", "127.0.0.1:0", func(t *testing.T) ([]string, any) { return withTLS(t, "") }, serves},
		{"mTLS with an allowed name", "127.0.0.1:0", func(t *testing.T) ([]string, any) { return withTLS(t, "spiffe://td/envoy") }, serves},
		{"mTLS with another name", "127.0.0.1:0", func(t *testing.T) ([]string, any) { return withTLS(t, "spiffe://td/other") }, refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			args, transport := []string{"--policies", file, "--grpc-listen", c.listen, "--grpc-socket-mode", "0600"}, any(nil)
			if c.tls != nil {
				more, socket := c.tls(t)
				args, transport = append(args, more...), socket
			}
			p := corsgatetest.Start(t, binary, args...)
			e := envoytest.Start(t, withTransport(t, up, p.GRPC, transport))
			becomes(t, e, c.want)
			if path, ok := strings.CutPrefix(p.GRPC, "unix:///"); ok {
				isSocket(t, "/"+path)
			}
		})
	}
}

// leaveStale leaves a socket at path that nobody listens on.
func leaveStale(t *testing.T, binary, policies, path string) {
	t.Helper()
	corsgatetest.Start(t, binary, "--policies", policies, "--grpc-listen", "unix://"+path).Kill()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("a killed corsgate leaves no socket, the test shows nothing: %v", err)
	}
}

func isSocket(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := fs.ModeSocket | 0o600; info.Mode() != want {
		t.Errorf("mode %v, want %v", info.Mode(), want)
	}
}

// becomes waits until a request of an allowed origin is answered as wanted, and
// asks once more.
func becomes(t *testing.T, e *envoytest.Running, want func(ask) outcome) {
	t.Helper()
	a, client := asks()[2], newClient()
	var got outcome
	var err error
	for start := time.Now(); time.Since(start) < servertest.Patience; time.Sleep(50 * time.Millisecond) {
		if got, err = a.do(client, e.Listeners["traffic"]); err == nil && got == want(a) {
			break
		}
	}
	if got, err = a.do(client, e.Listeners["traffic"]); err != nil || got != want(a) {
		t.Errorf("got %+v, %v, want %+v", got, err, want(a))
	}
}

// withTransport generates a bootstrap, where a transport socket, if there is
// one, is corsgate's cluster's.
func withTransport(t *testing.T, upstream, service string, transport any) []byte {
	t.Helper()
	c := envoy.Config{
		Profile: envoy.OneTrip, Fail: envoy.FailClosed, MessageTimeout: envoytest.MessageTimeout,
		Listen: "127.0.0.1:0", Upstream: upstream, Service: service,
	}
	text, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var b map[string]any
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	envoytest.Patient(b)
	if transport != nil {
		corsgateCluster(b)["transport_socket"] = transport
	}
	text, err = json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// withTLS makes certificates, and returns corsgate's flags and Envoy's transport
// socket. With a client name, both ends show a certificate, and corsgate allows
// spiffe://td/envoy alone.
func withTLS(t *testing.T, client string) (args []string, transport any) {
	t.Helper()
	folder, authority := t.TempDir(), tlstest.New(t)
	in := func(name string) string { return filepath.Join(folder, name) }
	authority.WriteCA(t, in("ca.crt"))
	authority.Write(t, in("tls.crt"), in("tls.key"), "corsgate.example")
	args = []string{"--grpc-tls-cert", in("tls.crt"), "--grpc-tls-key", in("tls.key")}
	common := map[string]any{
		"alpn_protocols": []string{"h2"},
		"validation_context": map[string]any{
			"trusted_ca":                    map[string]any{"filename": in("ca.crt")},
			"match_typed_subject_alt_names": []any{map[string]any{"san_type": "DNS", "matcher": map[string]any{"exact": "corsgate.example"}}},
		},
	}
	if client != "" {
		authority.Write(t, in("client.crt"), in("client.key"), client)
		args = append(args, "--grpc-tls-client-ca", in("ca.crt"), "--grpc-tls-allowed-san", "spiffe://td/envoy")
		common["tls_certificates"] = []any{map[string]any{
			"certificate_chain": map[string]any{"filename": in("client.crt")}, "private_key": map[string]any{"filename": in("client.key")},
		}}
	}
	return args, map[string]any{
		"name": "envoy.transport_sockets.tls",
		"typed_config": map[string]any{
			"@type":              "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
			"sni":                "corsgate.example",
			"common_tls_context": common,
		},
	}
}

// TestCertificateRenewal replaces corsgate's certificate under load, while Envoy
// reconnects all the time.
func TestCertificateRenewal(t *testing.T) {
	binary, folder, authority := corsgatetest.Build(t), t.TempDir(), tlstest.New(t)
	in := func(name string) string { return filepath.Join(folder, name) }
	if err := os.WriteFile(in("policies.yaml"), []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	authority.WriteCA(t, in("ca.crt"))
	authority.Write(t, in("tls.crt"), in("tls.key"), "corsgate.example")
	p := corsgatetest.Start(t, binary, "--policies", in("policies.yaml"), "--grpc-tls-cert", in("tls.crt"), "--grpc-tls-key", in("tls.key"), "--max-connection-age", "500ms")
	transport := map[string]any{"name": "envoy.transport_sockets.tls", "typed_config": map[string]any{
		"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
		"common_tls_context": map[string]any{
			"alpn_protocols":     []string{"h2"},
			"validation_context": map[string]any{"trusted_ca": map[string]any{"filename": in("ca.crt")}},
		},
	}}
	e := envoytest.Start(t, withTransport(t, startUpstream(t), p.GRPC, transport))
	becomes(t, e, serves)
	before := serial(t, authority, p.GRPC)
	l := startLoad(t, e.Listeners["traffic"], serves)
	authority.Write(t, in("tls.crt"), in("tls.key"), "corsgate.example")
	servertest.Await(t, "the new certificate", func() bool { return serial(t, authority, p.GRPC) != before })
	time.Sleep(2 * time.Second) // some connections with the new one
	l.stop()
	none(t, l)
}

// serial tells the certificate that is served.
func serial(t *testing.T, authority *tlstest.Authority, address string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: authority.Pool(), ServerName: "corsgate.example", NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}
