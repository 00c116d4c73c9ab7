package doctor_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/envoy/notrip"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// written is the generated bootstrap of a configuration, to be changed.
func written(t *testing.T, c envoy.Config) object {
	t.Helper()
	c.Listen, c.Upstream, c.Service = "127.0.0.1:0", "127.0.0.1:8080", map[string]string{"": "127.0.0.1:9001"}[c.Service]
	doc, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var b object
	if err := json.Unmarshal(doc, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// dumpOf is a config dump with what a bootstrap has, as Envoy writes it.
func dumpOf(b object, more ...object) object {
	const admin = "type.googleapis.com/envoy.admin.v3."
	static := b["static_resources"].(object)
	held := func(list any, kind string) (all []any) {
		for _, one := range list.([]any) {
			all = append(all, object{kind: one})
		}
		return all
	}
	configs := []any{
		object{"@type": admin + "BootstrapConfigDump", "bootstrap": object{"node": object{"id": "edge-1", "user_agent_build_version": object{"version": object{"major_number": 1, "minor_number": 40}}}}},
		object{"@type": admin + "ClustersConfigDump", "static_clusters": held(static["clusters"], "cluster")},
		object{"@type": admin + "ListenersConfigDump", "static_listeners": held(static["listeners"], "listener")},
	}
	for _, one := range more {
		configs = append(configs, one)
	}
	return object{"configs": configs}
}

// scopes has the traffic listener choose among scoped routes, and returns what its routes were.
func scopes(b object, name string, of object) (routes object) {
	m := envoytest.Manager(b)
	routes = m["route_config"].(object)
	delete(m, "route_config")
	of["name"], of["rds_config_source"] = name, object{"ads": object{}}
	of["scope_key_builder"] = object{"fragments": []any{object{"header_value_extractor": object{"name": ":authority", "element_separator": ".", "index": 0}}}}
	m["scoped_routes"] = of
	return routes
}

// layers are those of Envoy's runtime.
func layers(static ...object) object {
	var list []any
	for _, one := range static {
		list = append(list, object{"name": "layer", "static_layer": one})
	}
	return object{"layers": list}
}

// scope is one scope of a list.
func scope(name string, routes object) object {
	return object{"name": name, "key": object{"fragments": []any{object{"string_key": name}}}, "route_configuration": routes}
}

// codes are those of a report's findings, each once, but for notes of how Envoy fails.
func codes(r doctor.Report) (list []string) {
	for _, f := range r.Findings {
		list = append(list, f.Code)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func TestWhatIsReadOfFiles(t *testing.T) {
	for _, test := range []struct {
		name string
		in   func(t *testing.T) doctor.Input
		want []string // codes
	}{
		{"a dump", func(t *testing.T) doctor.Input {
			return doctor.Input{Config: encode(t, dumpOf(written(t, oneTrip)))}
		}, nil},
		{"a dump of a pod", func(t *testing.T) doctor.Input {
			return doctor.Input{Config: encode(t, object{"xds": object{"default": object{"edge": dumpOf(written(t, oneTrip))}}})}
		}, nil},
		{"a host without static, whose policy is not known", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			addBareHost(b, "api", "api.test")
			return doctor.Input{Config: encode(t, b)}
		}, []string{"host-without-part"}},
		{"a host without static, and without a policy", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			addBareHost(b, "api", "api.test")
			return doctor.Input{Config: encode(t, b), Policies: setOf(t, strings.Replace(onePolicy, "deniedRequests: block", "", 1))}
		}, nil},
		{"hosts as Istio names them", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			host(b)["name"], host(b)["domains"] = "example.com:80", []any{"example.com", "example.com:*"}
			for name, domains := range map[string][]any{"elsewhere.test:80": {"elsewhere.test:*", "10.0.0.1:*", "[2001:db8::1]:*"}, "allow_any": {"*", "*:80"}} {
				addBareHost(b, name, domains...)
			}
			return doctor.Input{Config: encode(t, b), Policies: setOf(t, strings.Replace(onePolicy, "deniedRequests: block", "", 1))}
		}, nil},
		{"a host with any port, without static", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			addBareHost(b, "example.com:80", "example.com:*")
			return doctor.Input{Config: encode(t, b), Policies: setOf(t, strings.Replace(onePolicy, "deniedRequests: block", "", 1))}
		}, []string{"host-without-part"}},
		{"an old Envoy, by its node", func(t *testing.T) doctor.Input {
			d := dumpOf(written(t, oneTrip))
			find(d, "minor_number")["minor_number"] = 38
			return doctor.Input{Config: encode(t, d)}
		}, []string{"envoy-too-old"}},
		{"an old Envoy, by itself", func(t *testing.T) doctor.Input {
			return doctor.Input{Config: encode(t, dumpOf(written(t, oneTrip))), ServerInfo: []byte(`{"version": "9e55809/1.34.2/Clean/RELEASE/BoringSSL"}`)}
		}, []string{"envoy-too-old"}},
		{"routes that are elsewhere", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			m := envoytest.Manager(b)
			routes := m["route_config"].(object)
			delete(m, "route_config")
			m["rds"] = object{"route_config_name": "traffic"}
			host := routes["virtual_hosts"].([]any)[0].(object)
			perFilter(host, "corsgate.apply", off)
			return doctor.Input{Config: encode(t, dumpOf(b, object{"@type": "x/RoutesConfigDump", "dynamic_route_configs": []any{object{"route_config": routes}}}))}
		}, []string{"half-switched-off"}},
		{"scoped routes that are delivered", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			scoped := scopes(b, "apart", object{"scoped_rds": object{}})
			elsewhere, inline := envoytest.Clone(scoped), envoytest.Clone(scoped)
			perFilter(elsewhere["virtual_hosts"].([]any)[0].(object), "corsgate.apply", off)
			inline["virtual_hosts"].([]any)[0].(object)["response_headers_to_add"] = grants
			kind := "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"
			return doctor.Input{Config: encode(t, dumpOf(b, object{"@type": "x/RoutesConfigDump", "dynamic_route_configs": []any{object{"route_config": elsewhere}}},
				object{"@type": "x/ScopedRoutesConfigDump", "dynamic_scoped_route_configs": []any{object{"name": "apart", "scoped_route_configs": []any{
					object{"@type": kind, "name": "a", "route_configuration_name": "traffic"}, object{"@type": kind, "name": "b", "route_configuration_name": "traffic"},
					object{"@type": kind, "name": "c", "route_configuration": inline},
				}}, object{"name": "others", "scoped_route_configs": []any{object{"@type": kind, "name": "d", "route_configuration_name": "not-there"}}}}}))}
		}, []string{"cors-header-added", "half-switched-off"}},
		{"scoped routes that come with the first request", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			scopes(b, "apart", object{"scoped_rds": object{}})
			return doctor.Input{Config: encode(t, dumpOf(b, object{"@type": "x/ScopedRoutesConfigDump", "dynamic_scoped_route_configs": []any{object{"name": "apart", "scoped_route_configs": []any{
				object{"name": "a", "route_configuration_name": "traffic", "on_demand": true},
			}}}}))}
		}, []string{"unreadable"}},
		{"routes that are not there", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			m := envoytest.Manager(b)
			delete(m, "route_config")
			m["rds"] = object{"route_config_name": "traffic"}
			return doctor.Input{Config: encode(t, dumpOf(b))}
		}, []string{"unreadable"}},
		{"updates that Envoy has refused, and that wait", func(t *testing.T) doctor.Input {
			return doctor.Input{Config: encode(t, dumpOf(written(t, oneTrip), object{"@type": "x/ListenersConfigDump", "dynamic_listeners": []any{
				object{"name": "edge", "error_state": object{"details": "hunter2"}},
				object{"name": "next", "warming_state": object{"listener": object{"name": "next"}}},
			}}))}
		}, []string{"update-refused"}},
		{"somebody's filter behind", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			insert(b, 3, typed("theirs", "theirs.v1.Theirs", object{"a": object{"b": 1}}))
			return doctor.Input{Config: encode(t, b)}
		}, nil},
		{"somebody's filter before", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			insert(b, 0, typed("theirs", "theirs.v1.Theirs", object{"a": object{"b": 1}}))
			return doctor.Input{Config: encode(t, b)}
		}, []string{"filter-before"}},
		{"a filter as a TypedStruct", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			insert(b, 0, object{"name": "guard", "typed_config": object{"@type": "type.googleapis.com/xds.type.v3.TypedStruct",
				"type_url": typeURL + "rbac.v3.RBAC", "value": object{"rules": object{"action": "DENY"}}}})
			return doctor.Input{Config: encode(t, b)}
		}, []string{"filter-before"}},
		{"a filter that refuses nobody", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			insert(b, 0, typed("guard", "rbac.v3.RBAC", nil))
			return doctor.Input{Config: encode(t, b)}
		}, nil},
		{"a cluster that is not one", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			cluster(b)["connect_timeout"] = "soon: hunter2"
			return doctor.Input{Config: encode(t, b)}
		}, []string{"cluster-missing", "unreadable"}},
		{"asked by another name", func(t *testing.T) doctor.Input {
			b := written(t, twoPhase)
			text := strings.NewReplacer("corsgate", "cors", "type.googleapis.com/cors", "type.googleapis.com/corsgate").Replace(string(encode(t, b)))
			return doctor.Input{Config: []byte(text)}
		}, []string{"filters-missing"}},
		{"another name that is told", func(t *testing.T) doctor.Input {
			b := written(t, twoPhase)
			text := strings.ReplaceAll(string(encode(t, b)), "corsgate", "cors")
			return doctor.Input{Config: []byte(text), Service: "cors"}
		}, nil},
		{"what else is not Envoy's", func(t *testing.T) doctor.Input {
			return doctor.Input{Config: encode(t, written(t, oneTrip)), Clusters: []byte("<html>"), Stats: []byte("<html>"), ServerInfo: []byte("<html>"), Status: []byte("<html>")}
		}, []string{"unreadable"}},
		{"the plain filter of a gateway", func(t *testing.T) doctor.Input {
			b := written(t, twoPhase)
			setFilters(b, []any{typed("corsgate", "ext_proc.v3.ExternalProcessor", object{"allow_mode_override": true, "grpc_service": object{"envoy_grpc": object{"cluster_name": "corsgate"}}})})
			return doctor.Input{Config: encode(t, b)}
		}, []string{"bare-filter", "credentials-sent", "fails-with-500", "mode-override"}},
		{"the plain ext_authz of a gateway", func(t *testing.T) doctor.Input {
			b := written(t, twoPhase)
			setFilters(b, []any{typed("corsgate", "ext_authz.v3.ExtAuthz", object{"failure_mode_allow": true, "clear_route_cache": true, "include_peer_certificate": true,
				"grpc_service": object{"envoy_grpc": object{"cluster_name": "corsgate"}}})})
			return doctor.Input{Config: encode(t, b)}
		}, []string{"bare-filter", "credentials-sent", "headers-withheld", "route-cache-cleared"}},
		{"a share that somebody may change", func(t *testing.T) doctor.Input {
			b := written(t, extAuthz)
			ask(b)["filter_enabled"] = object{"default_value": object{"numerator": 100, "denominator": "HUNDRED"}, "runtime_key": "hunter2"}
			return doctor.Input{Config: encode(t, b)}
		}, []string{"asked-by-chance"}},
		{"paths that Envoy redirects", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			envoytest.Manager(b)["path_with_escaped_slashes_action"] = "UNESCAPE_AND_REDIRECT"
			return doctor.Input{Config: encode(t, b)}
		}, []string{"paths-refused"}},
		{"paths that Envoy takes as they are meant", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			envoytest.Manager(b)["path_with_escaped_slashes_action"] = "UNESCAPE_AND_FORWARD"
			return doctor.Input{Config: encode(t, b)}
		}, nil},
		{"paths that the runtime normalises", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			delete(envoytest.Manager(b), "normalize_path")
			b["layered_runtime"] = layers(object{"http_connection_manager.normalize_path": false}, object{"http_connection_manager.normalize_path": true})
			return doctor.Input{Config: encode(t, b)}
		}, nil},
		{"paths that the runtime does not normalise", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			delete(envoytest.Manager(b), "normalize_path")
			b["layered_runtime"] = layers(object{"http_connection_manager": object{"normalize_path": true}}, object{"http_connection_manager": object{"normalize_path": false}})
			return doctor.Input{Config: encode(t, b)}
		}, []string{"path-not-normalised"}},
		{"paths that a listener does not normalise", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			envoytest.Manager(b)["normalize_path"] = false
			b["layered_runtime"] = layers(object{"http_connection_manager": object{"normalize_path": true}})
			return doctor.Input{Config: encode(t, b)}
		}, []string{"path-not-normalised"}},
		{"a counter of a filter without a prefix", func(t *testing.T) doctor.Input {
			b := written(t, twoPhase)
			delete(ask(b), "stat_prefix")
			return doctor.Input{Config: encode(t, b), Stats: []byte("http.traffic.ext_proc.message_timeouts: 3")}
		}, []string{"counter"}},
		{"a counter that may be another filter's", func(t *testing.T) doctor.Input {
			b := written(t, twoPhase)
			delete(ask(b), "stat_prefix")
			insert(b, 2, typed("other", "ext_proc.v3.ExternalProcessor", nil))
			return doctor.Input{Config: encode(t, b), Stats: []byte("http.traffic.ext_proc.message_timeouts: 3")}
		}, nil},
		{"a policy that blocks, and a filter that fails open", func(t *testing.T) doctor.Input {
			return doctor.Input{Config: encode(t, written(t, oneTrip)), Policies: setOf(t, onePolicy)}
		}, []string{"fails-open"}},
		{"a google_grpc service", func(t *testing.T) doctor.Input {
			b := written(t, oneTrip)
			ask(b)["grpc_service"] = object{"google_grpc": object{"target_uri": "corsgate:9001", "stat_prefix": "corsgate"}}
			return doctor.Input{Config: encode(t, b)}
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := examine(t, test.in(t))
			if got := codes(r); !slices.Equal(got, test.want) {
				t.Errorf("found %q, want %q:\n%s", got, test.want, text(r))
			}
			if doc := string(encode(t, r)); strings.Contains(doc, "hunter2") {
				t.Errorf("a value of the configuration is printed: %s", doc)
			}
		})
	}
}

func TestWhatIsNoEnvoy(t *testing.T) {
	for _, text := range []string{"", "policies: []", "[]", `{"configs": 1}`, `{"node": {}}`, "\x00", "a: *b", `{"xds": {"default": {"a": {"configs": []}, "b": {"configs": []}}}}`} {
		if r, err := doctor.Examine(doctor.Input{Config: []byte(text)}); err == nil {
			t.Errorf("%q: found %v, want an error", text, r)
		}
	}
}

// TestManyFindingsAreBounded breaks one rule by many routes.
func TestManyFindingsAreBounded(t *testing.T) {
	b := written(t, oneTrip)
	one := route(b)
	one["response_headers_to_add"] = grants
	var many []any
	for range 500 {
		many = append(many, one)
	}
	host(b)["routes"] = many
	r := examine(t, doctor.Input{Config: encode(t, b)})
	if r.Warnings != 20 || !strings.Contains(r.Findings[19].What, "480 more") {
		t.Errorf("%d warnings, the last: %s", r.Warnings, r.Findings[19].What)
	}
}

// TestRoutesOfScopesAreReadOnce has two scopes with the same routes.
func TestRoutesOfScopesAreReadOnce(t *testing.T) {
	b := written(t, oneTrip)
	routes := scopes(b, "apart", object{"scoped_rds": object{}})
	routes["response_headers_to_add"] = grants
	list := []any{object{"name": "a", "route_configuration_name": "traffic"}, object{"name": "b", "route_configuration_name": "traffic"}}
	d := dumpOf(b, object{"@type": "x/RoutesConfigDump", "dynamic_route_configs": []any{object{"route_config": routes}}},
		object{"@type": "x/ScopedRoutesConfigDump", "dynamic_scoped_route_configs": []any{object{"name": "apart", "scoped_route_configs": list}}})
	if r := examine(t, doctor.Input{Config: encode(t, d)}); len(r.Findings) != 1 {
		t.Errorf("found %s", text(r))
	}
}

// TestNearestNameIsTold has names of filters that somebody has misspelled.
func TestNearestNameIsTold(t *testing.T) {
	for wrong, right := range map[string]string{"corsgate.statc": "corsgate.static", "corsgate.aply": "corsgate.apply", "corsgate.decied": "corsgate.decide", "corsgate": "corsgate.decide"} {
		b := written(t, oneTrip)
		perFilter(host(b), wrong, off)
		r := examine(t, doctor.Input{Config: encode(t, b)})
		i := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.Code == "names-no-filter" })
		if i < 0 || !strings.HasSuffix(r.Findings[i].Write, ": "+right) {
			t.Errorf("%s: %+v", wrong, r.Findings)
		}
	}
}

// TestHostsWithoutRoutesAreNoted has virtual hosts for some of the policies' hosts.
func TestHostsWithoutRoutesAreNoted(t *testing.T) {
	for _, test := range []struct {
		domains []any
		want    []string // hosts
	}{
		{[]any{"*"}, nil},
		{[]any{"api.test:8443", "*.shop.test"}, nil},
		{[]any{"API.test", "a.shop.test"}, nil},
		{[]any{"api.*", "*.test"}, nil},
		{[]any{"other.test"}, []string{"api.test", "*.shop.test"}},
		{[]any{"*.api.test", "shop.test"}, []string{"api.test", "*.shop.test"}},
	} {
		b := written(t, oneTrip)
		host(b)["domains"] = test.domains
		r := examine(t, doctor.Input{Config: encode(t, b), Policies: setOf(t, policies)})
		found := text(r)
		if slices.Contains(codes(r), "host-not-routed") != (test.want != nil) {
			t.Errorf("%v: found %s", test.domains, found)
		}
		for _, name := range []string{"api.test", "*.shop.test"} {
			noted := strings.Contains(found, "note [host-not-routed] envoy: no virtual host takes the host "+name+" of")
			if noted != slices.Contains(test.want, name) {
				t.Errorf("%v: found %s", test.domains, found)
			}
		}
	}
}

// TestPortsOfListenersAreNoted has virtual hosts that do not take the listener's port.
func TestPortsOfListenersAreNoted(t *testing.T) {
	const code = "port-not-routed"
	for _, test := range []struct {
		name   string
		change func(b object)
		want   bool
	}{
		{"no port", func(object) {}, true},
		{"one of two domains", func(b object) { host(b)["domains"] = []any{"api.test", "api.test:18200", "www.test"} }, true},
		{"another port", func(b object) { host(b)["domains"] = []any{"api.test", "api.test:8443"} }, true},
		{"names below one", func(b object) { host(b)["domains"] = []any{"*.test"} }, true},
		{"another host takes all", func(b object) {
			all := envoytest.Clone(host(b))
			all["name"], all["domains"] = "rest", []any{"*"}
			addHost(b, all)
		}, true},
		{"only the port", func(b object) { host(b)["domains"] = []any{"api.test:18200"} }, false},
		{"both", func(b object) { host(b)["domains"] = []any{"API.test", "api.test:18200"} }, false},
		{"each port", func(b object) { host(b)["domains"] = []any{"api.test", "api.test:*"} }, false},
		{"each host with the port", func(b object) { host(b)["domains"] = []any{"api.test", "*:18200"} }, false},
		{"everything", func(b object) { host(b)["domains"] = []any{"*"} }, false},
		{"ports are ignored", func(b object) { envoytest.Manager(b)["route_config"].(object)["ignore_port_in_host_matching"] = true }, false},
		{"ports are cut off", func(b object) { envoytest.Manager(b)["strip_any_host_port"] = true }, false},
		{"the port is cut off", func(b object) { envoytest.Manager(b)["strip_matching_host_port"] = true }, false},
		{"the default port", func(b object) { find(b["static_resources"].(object)["listeners"], "port_value")["port_value"] = 443 }, false},
		{"a port that is not known", func(b object) { find(b["static_resources"].(object)["listeners"], "port_value")["port_value"] = 0 }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := written(t, oneTrip)
			find(b["static_resources"].(object)["listeners"], "port_value")["port_value"] = 18200
			delete(envoytest.Manager(b)["route_config"].(object), "ignore_port_in_host_matching")
			host(b)["domains"] = []any{"api.test"}
			test.change(b)
			r := examine(t, doctor.Input{Config: encode(t, b)})
			if slices.Contains(codes(r), code) != test.want || r.Errors+r.Warnings > 0 {
				t.Errorf("found %s", text(r))
			}
		})
	}
}

// TestCompiledAnswerWithoutRoute has a filter that answers by itself, with a status that
// depends on whether there is a route.
func TestCompiledAnswerWithoutRoute(t *testing.T) {
	for _, test := range []struct {
		reply notrip.Reply
		want  bool
	}{{notrip.ByAuthz, true}, {notrip.ByLua, false}} {
		b := written(t, envoy.Config{Profile: envoy.NoTrip, Service: "none", Compiled: envoy.Compiled{Folder: "/var/lib/corsgate", Reply: test.reply}})
		forMethods(route(b), object{"exact": "GET"})
		if r := examine(t, doctor.Input{Config: encode(t, b)}); strings.Contains(text(r), "note [preflights-not-routed]") != test.want || r.Errors > 0 {
			t.Errorf("%s: found %s", test.reply, text(r))
		}
	}
}

// TestEveryCodeIsFoundAndDocumented counts the codes that the tests here want.
func TestEveryCodeIsFoundAndDocumented(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := ""
	for _, name := range []string{"broken_test.go", "read_test.go", "served_test.go", "probe_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests += string(text)
	}
	for _, code := range doctor.Codes() {
		if !strings.Contains(string(readme), "`"+code+"`") {
			t.Errorf("envoy/README.md does not name %s", code)
		}
		if !strings.Contains(tests, `"`+code) {
			t.Errorf("no test finds %s", code)
		}
	}
}

// FuzzExamine gives the doctor what no Envoy writes.
func FuzzExamine(f *testing.F) {
	c := envoy.Config{Profile: envoy.ExtAuthz, Listen: "127.0.0.1:0", Upstream: "127.0.0.1:8080", Service: "127.0.0.1:9001"}
	for _, profile := range envoy.Profiles() {
		c.Profile, c.Compiled.ECDS = profile, profile == envoy.NoTrip
		doc, err := c.JSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc, []byte(`{"cluster_statuses": [{"name": "corsgate", "host_statuses": [{}]}]}`), []byte("cluster.corsgate.upstream_rq_active_overflow: 3\n"), []byte(`{"ready": true}`))
		f.Add([]byte(`{"configs": [{"static_listeners": [{"listener": `+string(doc)+`}]}]}`), []byte(nil), []byte(`{"stats": [{"name": "a", "value": 1}]}`), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, config, clusters, stats, status []byte) {
		r, err := doctor.Examine(doctor.Input{Config: config, Clusters: clusters, Stats: stats, ServerInfo: status, Status: status})
		if err == nil && r.Errors+r.Warnings+r.Notes != len(r.Findings) {
			t.Errorf("%d findings are %d, %d and %d", len(r.Findings), r.Errors, r.Warnings, r.Notes)
		}
		for _, one := range r.Findings {
			if one.Code == "" || one.What == "" || one.Seen == "" || one.Write == "" {
				t.Errorf("it does not say all: %+v", one)
			}
		}
	})
}
