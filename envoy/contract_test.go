package envoy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// shared has the words of a configuration that the service must know, by the
// field that they stand in.
type shared map[string]map[string]bool

func (s shared) add(field string, words ...any) {
	if s[field] == nil {
		s[field] = map[string]bool{}
	}
	for _, w := range words {
		s[field][fmt.Sprint(w)] = true
	}
}

// collect finds them in all that is below v.
func (s shared) collect(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			s.collect(e)
		}
	case map[string]any:
		for field, e := range v {
			s.note(field, e)
			s.collect(e)
		}
	}
}

func (s shared) note(field string, v any) {
	switch list, _ := v.([]any); field {
	case "service_name", "metadata_namespace":
		s.add(field, v)
	case "request_attributes", "untyped", "route_metadata_context_namespaces":
		s.add(field, list...)
	case "allowed_headers":
		for _, pattern := range v.(map[string]any)["patterns"].([]any) {
			for how, word := range pattern.(map[string]any) {
				s.add(field, how+" "+word.(string))
			}
		}
	case "metadata":
		for _, m := range list { // of set_metadata
			for key, word := range m.(map[string]any)["value"].(map[string]any) {
				s.add(field, key+": "+word.(string))
			}
		}
	case "context_extensions":
		for key, word := range v.(map[string]any) {
			s.add(field, key+": "+word.(string))
		}
	case "custom_match":
		if value, of := v.(map[string]any)["typed_config"].(map[string]any)["value"].(map[string]any); of { // of metadata
			s.add(field, value["string_match"].(map[string]any)["exact"])
		}
	}
}

// TestConfigurationSpeaksByContract holds the words of the generated
// configuration to those that the service reads and writes, also a word that
// somebody writes into a template.
func TestConfigurationSpeaksByContract(t *testing.T) {
	want := shared{}
	want.add("service_name", contract.ExtProc, contract.ExtAuthz)
	want.add("metadata_namespace", contract.Namespace, contract.AuthzNamespace)
	want.add("untyped", contract.Namespace)
	want.add("route_metadata_context_namespaces", contract.Namespace)
	want.add("request_attributes", contract.EitherPolicy, contract.RouteName)
	want.add("metadata", contract.Apply+": "+string(policy.ApplyStrip), contract.Reason+": "+contract.Unanswered)
	// What a compiled filter does that is not there, without a service.
	want.add("metadata", contract.Reason+": "+contract.NeedsService)
	want.add("context_extensions", contract.Headers+": "+contract.HeadersInMetadata)
	want.add("custom_match", policy.ApplyReplace, policy.ApplyDefer, policy.ApplyPublic, policy.ApplyStrip)
	for _, name := range contract.ForwardedHeaders() {
		want.add("allowed_headers", "exact "+name)
	}
	// Beside the request's, two-phase sends the headers that it edits.
	want.add("allowed_headers", "prefix "+contract.ForwardedPrefix, "prefix access-control-", "exact vary")

	got := shared{}
	for _, v := range sample() {
		text, err := v.config.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var bootstrap any
		if err := json.Unmarshal(text, &bootstrap); err != nil {
			t.Fatal(err)
		}
		got.collect(bootstrap)
	}
	for _, field := range slices.Sorted(maps.Keys(want)) {
		if diff := cmp.Diff(want[field], got[field]); diff != "" {
			t.Errorf("%s (-contract +configuration):\n%s", field, diff)
		}
	}
}
