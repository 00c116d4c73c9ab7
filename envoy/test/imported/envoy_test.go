package imported

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	envoyimport "github.com/corsgate/corsgate/envoy/importer/envoy"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/policy/browser"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the first seed")
	worldsSet = flag.Int("worlds", 0, "how many configurations are made up; 0 means some, and with CORSGATE_TEST=full more")
)

// perWorld is how many questions are asked of a configuration.
const perWorld = 150

// native is an Envoy with a listener for each configuration.
type native struct {
	*envoytest.Running
	client http.Client
}

// startNative runs an Envoy whose listeners have these route configurations.
func startNative(t *testing.T, configs []object) *native {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	envoytest.ServeHTTP(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range application("", "", "", nil).Headers {
			w.Header().Set(h.Name, h.Value)
		}
	})}, l)
	var listeners []any
	for i, c := range configs {
		listeners = append(listeners, listenerOf(nameOf(i), c))
	}
	bootstrap, err := json.Marshal(object{"static_resources": object{"listeners": listeners, "clusters": []any{clusterOf(l.Addr().(*net.TCPAddr).Port)}}})
	if err != nil {
		t.Fatal(err)
	}
	n := &native{Running: envoytest.Start(t, bootstrap)}
	n.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(n.client.CloseIdleConnections)
	return n
}

func nameOf(world int) string { return fmt.Sprintf("world-%d", world) }

func listenerOf(name string, routes object) object {
	filter := func(name, typ string) object {
		return object{"name": name, "typed_config": object{"@type": typePrefix + typ}}
	}
	router := filter("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router")
	router["typed_config"].(object)["suppress_envoy_headers"] = true
	manager := object{
		"@type":       typePrefix + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"stat_prefix": "in", "route_config": routes,
		"http_filters": []any{
			filter(filterName, "envoy.extensions.filters.http.cors.v3.Cors"),
			router,
		},
	}
	return object{
		"name": name, "address": object{"socket_address": object{"address": "127.0.0.1", "port_value": 0}},
		"filter_chains": []any{object{"filters": []any{object{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}}}},
	}
}

func clusterOf(port int) object {
	endpoint := object{"endpoint": object{"address": object{"socket_address": object{"address": "127.0.0.1", "port_value": port}}}}
	return object{"name": "upstream", "type": "STATIC", "load_assignment": object{
		"cluster_name": "upstream", "endpoints": []any{object{"lb_endpoints": []any{endpoint}}},
	}}
}

// domainsOf returns the domains of all virtual hosts.
func domainsOf(routes object) []string {
	var domains []string
	for _, h := range routes["virtual_hosts"].([]any) {
		domains = append(domains, h.(object)["domains"].([]string)...)
	}
	return domains
}

// send returns what sends to the listener of a world.
func (n *native) send(t *testing.T, world int) importertest.Send {
	address := n.Listeners[nameOf(world)]
	return func(method, host, path string, headers browser.Headers) browser.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		for _, h := range headers {
			r.Header.Set(h.Name, h.Value)
		}
		resp, err := n.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return browser.Response{Status: resp.StatusCode, Headers: linesOf(resp.Header)}
	}
}

func linesOf(h http.Header) (list browser.Headers) {
	for name, values := range h {
		for _, value := range values {
			list = append(list, browser.Header{Name: strings.ToLower(name), Value: value})
		}
	}
	return list
}

// worlds is how many configurations a test makes up.
func worlds(short, full int) int {
	if *worldsSet > 0 {
		return *worldsSet
	}
	if isFull() {
		return full
	}
	return short
}

// TestEnvoy holds the importer to Envoy's cors filter.
func TestEnvoy(t *testing.T) {
	var configs []object
	for i := range worlds(40, 400) {
		configs = append(configs, newRandom(*firstSeed+uint64(i)).routeConfiguration())
	}
	n := startNative(t, configs)
	total := tally{told: map[string]int{}}
	for i, c := range configs {
		seed := *firstSeed + uint64(i)
		file := any(c)
		if seed%2 == 0 { // with the filters around it
			file = object{"listeners": []any{listenerOf(nameOf(i), c)}}
		}
		text, err := json.MarshalIndent(file, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		imp := importOf(t, importertest.Documents(envoyimport.Read), source.File{Path: "routes.json", Text: text})
		total.compare(t, seed, n.send(t, i), imp, domainsOf(c), string(text))
	}
	total.report(t)
}
