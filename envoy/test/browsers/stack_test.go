package browsers

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

//go:embed testdata/policies.yaml
var policies string

// lab is what all stacks share.
type lab struct {
	cert     certificate
	upstream *upstream
	browser  *browser
}

// stack is an Envoy with corsgate and the upstream.
type stack struct {
	config   envoy.Config
	upstream *upstream
	service  *corsgate
	envoy    *envoytest.Running
}

// managed are the hosts with a policy that is enforced and does not defer: their
// upstream has no say, even where no Origin is.
var managed = []string{
	"list.api.test", "second.api.test", "private.api.test", "public.api.test", "minimal.api.test",
	"stars.api.test", "stars-authorization.api.test", "stars-private.api.test", "custom.api.test",
	"subdomains.api.test", "secure.api.test", "labels.api.test", "ports.api.test", "odd-hosts.api.test", "regex.api.test",
	"null.api.test", "uncached.api.test", "unsaid.api.test", "requested.api.test", "ok.api.test",
	"guarded.api.test", "strict.api.test", "debug.api.test", "debug-private.api.test", "forward.api.test",
}

// startStack starts an Envoy with the profile and the failure mode of c, and the
// service's address unless c has one.
func (l *lab) startStack(t *testing.T, c envoy.Config, s *corsgate) *stack {
	t.Helper()
	c.Listen, c.Upstream, c.ManagedHosts = "127.0.0.1:0", l.upstream.address, managed
	c.AllowCustomMethods = true // pages send what they like
	c.MessageTimeout = envoytest.MessageTimeout
	c.Service = cmp.Or(c.Service, s.address)
	st := &stack{config: c, upstream: l.upstream, service: s}
	if c.Profile == envoy.NoTrip {
		st.config.ManagedHosts = nil // it knows the policies' hosts
		st.config.Compiled = envoy.Compiled{Folder: t.TempDir(), PolicyNames: true}
		envoytest.WriteFilters(t, st.config, envoytest.Set(t, filepath.Dir(s.file)))
	}
	st.envoy = envoytest.Start(t, bootstrap(t, st.config, l.cert))
	if c.Profile == envoy.NoTrip {
		st.knowPorts(t)
	}
	return st
}

// replace has other policies served, or compiled.
func (s *stack) replace(t *testing.T, policies string) {
	t.Helper()
	s.service.replace(t, policies)
	if s.config.Profile == envoy.NoTrip {
		s.envoy.ReplaceFilter(t, s.config, envoytest.Set(t, filepath.Dir(s.service.file)))
	}
}

// knowPorts compiles the filter anew for the ports that stand in URLs, which the
// system chose.
func (s *stack) knowPorts(t *testing.T) {
	t.Helper()
	for _, listener := range []string{"traffic", "secure"} {
		s.config.Compiled.Ports = append(s.config.Compiled.Ports, netip.MustParseAddrPort(s.envoy.Listeners[listener]).Port())
	}
	s.envoy.ReplaceFilter(t, s.config, envoytest.Set(t, filepath.Dir(s.service.file)))
}

// url returns the start of the URLs of a policy's host.
func (s *stack) url(scheme, name string) string {
	listener := map[string]string{"http": "traffic", "https": "secure"}[scheme]
	_, port, _ := net.SplitHostPort(s.envoy.Listeners[listener])
	return fmt.Sprintf("%s://%s.api.test:%s", scheme, name, port)
}

// object is a JSON object of a bootstrap.
type object = map[string]any

// bootstrap writes c's bootstrap and adds what only the tests need: a listener
// with TLS, and routes that Envoy answers itself.
func bootstrap(t *testing.T, c envoy.Config, cert certificate) []byte {
	t.Helper()
	b := envoytest.Bootstrap(t, c)
	resources := b["static_resources"].(object)
	plain := resources["listeners"].([]any)[0].(object)
	addLocalReplies(chain(plain))
	resources["listeners"] = []any{plain, secured(plain, cert)}
	doc, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// chain returns the only filter chain of a listener.
func chain(listener object) object { return listener["filter_chains"].([]any)[0].(object) }

// secured returns the listener with TLS, and HTTP/2 for who wants it.
func secured(plain object, cert certificate) object {
	filters := maps.Clone(chain(plain))
	filters["transport_socket"] = object{"name": "tls", "typed_config": object{
		"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
		"common_tls_context": object{
			"alpn_protocols": []any{"h2", "http/1.1"},
			"tls_certificates": []any{object{
				"certificate_chain": object{"inline_string": cert.chain}, "private_key": object{"inline_string": cert.key}}},
		}}}
	listener := maps.Clone(plain)
	listener["name"], listener["filter_chains"] = "secure", []any{filters}
	return listener
}

// addLocalReplies has Envoy answer a request with ?envoy=STATUS itself.
func addLocalReplies(chain object) {
	manager := chain["filters"].([]any)[0].(object)["typed_config"].(object)
	for _, host := range manager["route_config"].(object)["virtual_hosts"].([]any) {
		host := host.(object)
		var replies []any
		for _, status := range []int{http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			replies = append(replies, object{
				"match": object{"prefix": "/", "query_parameters": []any{
					object{"name": "envoy", "string_match": object{"exact": fmt.Sprint(status)}}}},
				"direct_response": object{"status": status},
			})
		}
		host["routes"] = append(replies, host["routes"].([]any)...)
	}
}
