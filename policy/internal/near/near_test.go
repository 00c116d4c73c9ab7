package near

import (
	"strings"
	"testing"
)

func TestDidYouMeanProposesTheNearestName(t *testing.T) {
	known := []string{"allowHeaders", "allowMethods", "allowOrigins", "maxAge"}
	for name, want := range map[string]string{
		"allow_origins":           `did you mean "allowOrigins"?`,
		"AllowOrigin":             `did you mean "allowOrigins"?`,
		"alowMethods":             `did you mean "allowMethods"?`,
		"MAX-AGE":                 `did you mean "maxAge"?`,
		"credentials":             "write one of allowHeaders, allowMethods, allowOrigins, maxAge",
		"":                        "write one of allowHeaders, allowMethods, allowOrigins, maxAge",
		strings.Repeat("x", 1000): "write one of allowHeaders, allowMethods, allowOrigins, maxAge",
	} {
		if got := DidYouMean(name, known, ""); got != want {
			t.Errorf("DidYouMean(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestDistanceCountsEdits(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"kitten", "sitting", 3}, {"host", "hosts", 1}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
