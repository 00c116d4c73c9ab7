package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/corsgatetest"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

// TestOnlyAllowedEnvoysFollow has Envoys with certificates of one authority: the one with
// an allowed name gets the compiled policies, and the other may ask alone.
func TestOnlyAllowedEnvoysFollow(t *testing.T) {
	folder, authority, up := t.TempDir(), tlstest.New(t), startUpstream(t)
	in := func(name string) string { return filepath.Join(folder, name) }
	authority.WriteCA(t, in("ca.crt"))
	authority.Write(t, in("tls.crt"), in("tls.key"), "corsgate.example")
	corsgatetest.WritePolicies(t, in(policyFile), deliveredPolicies(nil))
	p := corsgatetest.Start(t, corsgatetest.Build(t), "--policies", in(policyFile), "--ecds", "--ecds-allow", "spiffe://td/envoy",
		"--grpc-tls-cert", in("tls.crt"), "--grpc-tls-key", in("tls.key"), "--grpc-tls-client-ca", in("ca.crt"))
	as := func(name string) *setup {
		file := in(filepath.Base(name))
		authority.Write(t, file+".crt", file+".key", name)
		return followBy(t, 2, up, nobody(t, p.GRPC, folderOf(deliveredPolicies(nil))), func(b object) { speakTLS(b, in("ca.crt"), file+".crt", file+".key") })
	}
	allowedOne, other := as("spiffe://td/envoy"), as("spiffe://td/other")
	servertest.Await(t, "the filters of who is allowed", func() bool { return allowedOne.deliveries(t, "success") == 2 })
	servertest.Await(t, "a word about the other", func() bool {
		return strings.Contains(p.Output.String(), `"msg":"client refused: none of its names may have the compiled policies","names":"[\"spiffe://td/other\"]"`)
	})
	other.soonExposes(t, "h-1.test", "x-0") // which is asked about
	if n := other.deliveries(t, "success"); n > 0 {
		t.Errorf("the other has %d filters", n)
	}
	if page, err := p.Get(t.Context(), "/status"); err != nil || strings.Count(page, `"node"`) != 1 {
		t.Errorf("the Envoys are %s, %v", page, err)
	}
	p.Kill()
	allowedOne.exposes(t, "h-1.test", "x-0")
	for _, line := range differences(of("200", "seen", vary), other.answer(t, "h-1.test", allowed)) {
		t.Errorf("the other, without corsgate: %s", line)
	}
}

// speakTLS has an Envoy ask corsgate by TLS, with a certificate.
func speakTLS(b object, ca, cert, key string) {
	file := func(path string) object { return object{"filename": path} }
	for _, c := range b["static_resources"].(object)["clusters"].([]any) {
		if c := c.(object); c["name"] == "corsgate" {
			c["transport_socket"] = object{"name": "envoy.transport_sockets.tls", "typed_config": object{
				"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
				"common_tls_context": object{
					"alpn_protocols":     []string{"h2"},
					"validation_context": object{"trusted_ca": file(ca)},
					"tls_certificates":   []any{object{"certificate_chain": file(cert), "private_key": file(key)}},
				},
			}}
		}
	}
}
