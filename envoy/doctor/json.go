package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// toJSON returns a document as JSON, with the names that Envoy gives to fields. What is YAML
// is small: people have written it.
func toJSON(doc []byte) ([]byte, error) {
	if json.Valid(doc) {
		return renamed(doc), nil
	}
	if len(doc) > maxYAML {
		return nil, errors.New("it is not JSON, and too large for a bootstrap in YAML")
	}
	var n yaml.Node
	if err := yaml.Unmarshal(doc, &n); err != nil {
		return nil, notYAML(err)
	}
	if err := nameKeys(&n); err != nil {
		return nil, err
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, notYAML(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("it has a number without an end, .inf or .nan, and Envoy takes none: write a number, or put it in quotes")
	}
	return renamed(out), nil
}

// notYAML says where a document is not YAML. The text of an error may have values of the
// configuration, so it is not repeated.
func notYAML(err error) error {
	const what = "it is neither JSON nor YAML"
	if bad, ok := errors.AsType[*yaml.LoadErrors](err); ok && len(bad.Errors) > 0 {
		return fmt.Errorf("%s: look at line %d: is a key there twice?", what, bad.Errors[0].Mark.Line)
	}
	if bad, ok := errors.AsType[*yaml.LoadError](err); ok && bad.Mark.Line > 0 {
		return fmt.Errorf("%s: look at line %d, at its indentation, its quotes and its aliases", what, bad.Mark.Line)
	}
	return errors.New(what)
}

// nameKeys makes texts of the keys at and below n, as Envoy does: YAML may take 8443 for a
// number, and on for a truth value.
func nameKeys(n *yaml.Node) error {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.ShortTag() != "!!merge" {
			if c.Kind != yaml.ScalarNode {
				return fmt.Errorf("line %d, column %d: a key must be a text: if it begins with a brace, a bracket or a star, put it in quotes", c.Line, c.Column)
			}
			c.Tag = "!!str"
		}
		if err := nameKeys(c); err != nil {
			return err
		}
	}
	return nil
}

// inCamelCase finds the fields that are read by their names, as istioctl and other tools
// write them: protojson knows both names of those in Envoy's own messages.
var inCamelCase = regexp.MustCompile(`"(?:` + strings.Join([]string{
	"staticResources", "dynamicResources", "ldsConfig", "cdsConfig", "layeredRuntime", "staticListeners", "dynamicListeners", "staticClusters", "dynamicActiveClusters", "dynamicWarmingClusters",
	"staticRouteConfigs", "dynamicRouteConfigs", "routeConfig", "dynamicScopedRouteConfigs", "scopedRouteConfigs", "ecdsFilters", "ecdsFilter", "activeState", "warmingState", "errorState", "versionInfo",
}, "|") + `)"\s*:`)

var capital = regexp.MustCompile(`[A-Z]`)

// renamed returns a document with these fields named as in Envoy's dump.
func renamed(doc []byte) []byte {
	return inCamelCase.ReplaceAllFunc(doc, func(name []byte) []byte {
		return capital.ReplaceAllFunc(name, func(c []byte) []byte { return []byte("_" + strings.ToLower(string(c))) })
	})
}
