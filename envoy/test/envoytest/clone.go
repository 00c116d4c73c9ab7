package envoytest

// Clone copies a JSON object deeply.
func Clone(v map[string]any) map[string]any { return cloneValue(v).(map[string]any) }

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := map[string]any{}
		for name, inner := range v {
			c[name] = cloneValue(inner)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, inner := range v {
			c[i] = cloneValue(inner)
		}
		return c
	}
	return v
}
