package main

// varyOrigin is an expression that merges "Origin" into Vary.
const varyOrigin = `%CEL(('vary' in response.headers) && response.headers['vary'].matches('(?i)(^|.*,)[ ]*(origin|[*])[ ]*(,.*|$)') ? '' : 'Origin')%`

// hasOrigin asks the same by the regular expression that a matcher of the generated
// configuration has.
const hasOrigin = `(?i)(.*,)?[ \t]*(origin|[*])[ \t]*(,.*)?`

const (
	compositeType      = "type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite"
	executeType        = "type.googleapis.com/envoy.extensions.filters.http.composite.v3.ExecuteFilterAction"
	headerMutationType = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
	responseHeaderType = "type.googleapis.com/envoy.type.matcher.v3.HttpResponseHeaderMatchInput"
)

// appendVary is a header_mutation filter that appends value to Vary, unless it
// is empty.
func appendVary(value string) object {
	return object{
		"name": "vary",
		"typed_config": object{
			"@type": headerMutationType,
			"mutations": object{"response_mutations": []any{object{"append": object{
				"header":        object{"key": "vary", "value": value},
				"append_action": "APPEND_IF_EXISTS_OR_ADD",
			}}}},
		},
	}
}

// varyByExpression merges by CEL, in the header's value.
func varyByExpression(upstream string) (parts, error) {
	return plain(upstream, nil, appendVary(varyOrigin))
}

// varyByMatcher merges by a matcher of the response's Vary, which needs a composite
// filter.
func varyByMatcher(upstream string) (parts, error) {
	return plain(upstream, nil, object{
		"name": "vary",
		"typed_config": object{
			"@type": compositeType,
			"matcher": object{"matcher_list": object{"matchers": []any{object{
				"predicate": object{"not_matcher": object{"single_predicate": object{
					"input":       object{"name": "vary", "typed_config": object{"@type": responseHeaderType, "header_name": "vary"}},
					"value_match": object{"safe_regex": object{"google_re2": object{}, "regex": hasOrigin}},
				}}},
				"on_match": object{"action": object{"name": "merge", "typed_config": object{
					"@type": executeType, "typed_config": appendVary("Origin"),
				}}},
			}}}},
		},
	})
}

// varyAlways always appends, whatever Vary has, to show what an exact merge costs.
func varyAlways(upstream string) (parts, error) {
	return plain(upstream, nil, appendVary("Origin"))
}
