package doctor_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/corsgate/corsgate/envoy/doctor"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// TestBothSpellingsOfFieldsAreRead has what Envoy writes, and the same in camel case, as
// tools write it that print Envoy's messages by protobuf's own rules.
func TestBothSpellingsOfFieldsAreRead(t *testing.T) {
	b := written(t, delivered)
	find(b, "normalize_path")["normalize_path"] = false
	routes := find(b, "route_config")["route_config"].(object)
	routes["virtual_hosts"].([]any)[0].(object)["response_headers_to_add"] = grants
	filter := object{"name": nameOf(filters(b)[0]), "typed_config": object{"@type": typeURL + "composite.v3.Composite"}}
	byRDS := func(clusters, routeConfigs string) object {
		b := written(t, delivered)
		find(b, "http_filters")["rds"] = object{"route_config_name": "traffic"}
		delete(find(b, "http_filters"), "route_config")
		d := dumpOf(b)
		find(d, "minor_number")["minor_number"] = 38
		static := b["static_resources"].(object)
		d["configs"] = append(d["configs"].([]any)[:1],
			object{"@type": "x/ListenersConfigDump", "dynamic_listeners": []any{
				object{"name": "traffic", "active_state": object{"listener": static["listeners"].([]any)[0]}},
				object{"name": "edge", "error_state": object{"details": "it is bad"}},
				object{"name": "next", "warming_state": object{"listener": object{"name": "next"}}},
			}},
			object{"@type": "x/ClustersConfigDump", clusters: []any{object{"cluster": static["clusters"].([]any)[1]}}},
			object{"@type": "x/RoutesConfigDump", routeConfigs: []any{object{"route_config": routes}}},
			object{"@type": "x/EcdsConfigDump", "ecds_filters": []any{object{"version_info": "v2", "ecds_filter": filter, "error_state": object{"details": "it is bad"}}}})
		return d
	}
	scoped := written(t, oneTrip)
	scopes(scoped, "apart", object{"scoped_rds": object{}})
	of := object{"@type": "x/ScopedRoutesConfigDump", "dynamic_scoped_route_configs": []any{object{"name": "apart", "scoped_route_configs": []any{scope("api", routes)}}}}
	runtime := written(t, byRoute)
	runtime["layered_runtime"] = layers(object{"http_connection_manager.normalize_path": true})
	delete(envoytest.Manager(runtime), "normalize_path")
	delete(host(runtime), "typed_per_filter_config")
	delete(route(runtime), "typed_per_filter_config")
	status := []byte(`{"ready": true, "envoys": [{"node": "edge-1", "resources": [{"name": "` + nameOf(filters(b)[0]) + `", "version": "v2"}]}]}`)
	for name, doc := range map[string]object{
		"a bootstrap": b, "a dump": dumpOf(b), "a dump of what was delivered": byRDS("dynamic_active_clusters", "dynamic_route_configs"),
		"a dump of scopes": dumpOf(scoped, of), "a runtime": runtime, "a dump of what warms": byRDS("dynamic_warming_clusters", "static_route_configs"),
	} {
		want := examine(t, doctor.Input{Config: encode(t, doc), Status: status})
		got := examine(t, doctor.Input{Config: encode(t, inCamelCase(doc)), Status: status})
		if len(want.Findings) < 2 || text(got) != text(want) || got.Envoy != want.Envoy {
			t.Errorf("%s: found\n%s\nand in camel case\n%s", name, text(want), text(got))
		}
	}
}

// inCamelCase returns v with all names of fields in camel case.
func inCamelCase(v any) any {
	switch v := v.(type) {
	case object:
		all := object{}
		for name, value := range v {
			parts := strings.Split(name, "_")
			if strings.Contains(name, ".") {
				parts = []string{name} // a name that somebody has given
			}
			for i := range parts[1:] {
				parts[i+1] = strings.ToUpper(parts[i+1][:1]) + parts[i+1][1:]
			}
			all[strings.Join(parts, "")] = inCamelCase(value)
		}
		return all
	case []any:
		list := slices.Clone(v)
		for i := range list {
			list[i] = inCamelCase(list[i])
		}
		return list
	}
	return v
}

// TestKeysAreTexts has keys that YAML takes for something else.
func TestKeysAreTexts(t *testing.T) {
	b := written(t, oneTrip)
	host(b)["metadata"] = object{"filter_metadata": object{"theirs": object{"KEY": object{"a": 1}}}}
	for _, key := range []string{"8443", "on", "true", "null", "~", "1.5", "2020-01-01", "!!int 3", "plain"} {
		doc, err := yaml.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if r := examine(t, doctor.Input{Config: []byte(strings.Replace(string(doc), "KEY:", key+":", 1))}); len(r.Findings) > 0 {
			t.Errorf("%s: found %s", key, text(r))
		}
	}
}

func TestYAMLThatIsNotReadHasAPlace(t *testing.T) {
	for doc, want := range map[string]string{
		"a: 1\n? {hunter2: 1}\n: c\n":           "line 2, column 3: a key must be a text: if it begins with a brace, a bracket or a star, put it in quotes",
		"a:\n- [hunter2]: 2\n":                  "line 2, column 3: a key must be a text: if it begins with a brace, a bracket or a star, put it in quotes",
		"x: &hunter2 y\n*hunter2 : 1\n":         "line 2, column 1: a key must be a text: if it begins with a brace, a bracket or a star, put it in quotes",
		"a:\n  - hunter2\n c: d\n":              "it is neither JSON nor YAML: look at line 3, at its indentation, its quotes and its aliases",
		"a: 1\nb: *hunter2\n":                   "it is neither JSON nor YAML: look at line 2, at its indentation, its quotes and its aliases",
		"hunter2: 1\nb: 1\nhunter2: 2\n":        "it is neither JSON nor YAML: look at line 3: is a key there twice?",
		"8443: hunter2\n\"8443\": hunter2\n":    "it is neither JSON nor YAML: look at line 2: is a key there twice?",
		"a: .inf\n":                             "it has a number without an end, .inf or .nan, and Envoy takes none: write a number, or put it in quotes",
		"static_resources: {clusters: 8443}\n":  "it is not a config dump or bootstrap of Envoy: it has other fields",
		"static_resources: {listeners: null}\n": `it is not a config dump of Envoy, which has "configs", nor a bootstrap with static_resources`,
	} {
		if _, err := doctor.Examine(doctor.Input{Config: []byte(doc)}); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", doc, err, want)
		}
		if json.Valid([]byte(doc)) {
			t.Errorf("%q is JSON", doc)
		}
	}
}
