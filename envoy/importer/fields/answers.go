package fields

import (
	"encoding/json"
	"slices"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// Answers returns a text that is the same for all routes that answer alike, whatever their
// names, hosts and places.
func Answers(routes []source.Route) string {
	routes = slices.Clone(routes)
	for i := range routes {
		routes[i].Name, routes[i].Hosts, routes[i].Findings = "", nil, nil
	}
	text, err := json.Marshal(routes)
	if err != nil {
		return err.Error()
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return err.Error()
	}
	removePlaces(plain)
	if text, err = json.Marshal(plain); err != nil {
		return err.Error()
	}
	return string(text)
}

func removePlaces(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			removePlaces(item)
		}
	case map[string]any:
		for _, name := range []string{"file", "line", "column"} {
			delete(v, name)
		}
		for _, value := range v {
			removePlaces(value)
		}
	}
}
