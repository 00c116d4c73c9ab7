package imported

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy/importer/contour"
	"github.com/corsgate/corsgate/envoy/importer/importertest"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

// proxies makes up HTTPProxies.
func (r random) proxies() []object {
	var list []object
	for i, fqdn := range some(r, 4, "a.example", "b.example", "c.example", "d.c.example", "x.a.example") {
		host := object{"fqdn": fqdn}
		if !r.oneIn(5) {
			host["corsPolicy"] = r.corsPolicy()
		}
		list = append(list, object{
			"apiVersion": "projectcontour.io/v1", "kind": "HTTPProxy", "metadata": object{"name": fmt.Sprintf("proxy-%d", i)},
			"spec": object{"virtualhost": host, "routes": []any{object{"services": []any{object{"name": "upstream", "port": 80}}}}},
		})
	}
	return list
}

// corsPolicy makes up one that Contour accepts.
func (r random) corsPolicy() object {
	p := object{
		"allowOrigin": append(some(r, 2, "https://app.example", "https://App.example", "https://*.app.example", "https://.*.app.example", "http://localhost:3000", "app.example", "https://app.example:443", "https://app.example/"),
			pick(r, "https://app.example", "*", `https://.*\.app\.example`, `https?://app\.example(:[0-9]+)?`, `.*app\.example`, `https://(www|api)\.app\.example`)),
		"allowMethods": append(some(r, 3, "GET", "PUT", "DELETE", "OPTIONS", "put"), pick(r, "GET", "*", "PATCH")),
	}
	if r.oneIn(3) {
		p["allowMethods"] = []string{"*"}
	}
	for name, of := range map[string][]string{"allowHeaders": {"x-a", "X-B", "authorization", "*", "origin"}, "exposeHeaders": {"x-a", "x-total", "*"}} {
		if list := some(r, 3, of...); len(list) > 0 {
			p[name] = list
		}
	}
	if r.oneIn(2) {
		p["allowCredentials"] = r.oneIn(2)
	}
	if r.oneIn(3) {
		p["allowPrivateNetwork"] = true
	}
	if r.oneIn(2) {
		p["maxAge"] = pick(r, "0", "10m", "1h30m", "100h")
	}
	return p
}

// proxyRoutes are the virtual hosts that Contour makes of HTTPProxies (VirtualHostAndRoutes
// in internal/envoy/v3/route.go).
func proxyRoutes(proxies []object) object {
	var hosts []any
	for _, p := range proxies {
		from := p["spec"].(object)["virtualhost"].(object)
		host := object{
			"name": from["fqdn"], "domains": []string{from["fqdn"].(string)},
			"routes": []any{object{"match": object{"prefix": "/"}, "route": object{"cluster": "upstream"}}},
		}
		if cors, ok := from["corsPolicy"].(object); ok {
			host["typed_per_filter_config"] = object{filterName: proxyCORS(cors)}
		}
		hosts = append(hosts, host)
	}
	return object{"name": "made-up", "virtual_hosts": hosts, "ignore_port_in_host_matching": true}
}

// proxyCORS is Contour's toCORSPolicy (internal/dag/httpproxy_processor.go) and corsPolicy
// (internal/envoy/v3/route.go).
func proxyCORS(p object) object {
	join := func(name string) string { list, _ := p[name].([]string); return strings.Join(list, ",") }
	credentials, _ := p["allowCredentials"].(bool)
	private, _ := p["allowPrivateNetwork"].(bool)
	cors := object{
		"@type": corsType + "CorsPolicy", "allow_credentials": credentials, "allow_private_network_access": private,
		"allow_methods": join("allowMethods"), "allow_headers": join("allowHeaders"), "expose_headers": join("exposeHeaders"),
	}
	if age, ok := p["maxAge"].(string); ok {
		d, _ := time.ParseDuration(age)
		cors["max_age"] = fmt.Sprintf("%.0f", d.Seconds())
	}
	var origins []any
	for _, entry := range p["allowOrigin"].([]string) {
		u, err := url.Parse(entry)
		if entry == "*" || err == nil && u.Scheme != "" && u.Host != "" && u.Scheme+"://"+u.Host == entry {
			origins = append(origins, object{"exact": entry, "ignore_case": true})
			continue
		}
		origins = append(origins, object{"safe_regex": object{"regex": entry}})
	}
	cors["allow_origin_string_match"] = origins
	return cors
}

// TestContour holds the importer to Envoy's cors filter with the virtual hosts that Contour
// makes.
func TestContour(t *testing.T) {
	var configs []object
	var proxies [][]object
	for i := range worlds(40, 400) {
		proxies = append(proxies, newRandom(*firstSeed+uint64(i)).proxies())
		configs = append(configs, proxyRoutes(proxies[i]))
	}
	n := startNative(t, configs)
	total := tally{told: map[string]int{}}
	for i, list := range proxies {
		if len(list) == 0 {
			continue
		}
		text, err := json.MarshalIndent(object{"kind": "List", "items": list}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		imp := importOf(t, importertest.Documents(contour.Read), source.File{Path: "proxies.json", Text: text})
		total.compare(t, *firstSeed+uint64(i), n.send(t, i), imp, domainsOf(configs[i]), string(text))
	}
	total.report(t)
}
