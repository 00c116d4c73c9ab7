package server

import "testing"

func TestMergeVary(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"no line becomes Origin", nil, "Origin"},
		{"an empty line becomes Origin", []string{""}, "Origin"},
		{"a member is kept", []string{"Accept-Encoding"}, "Accept-Encoding, Origin"},
		{"the members of several lines are kept", []string{"Accept-Encoding, Accept", "X-A"}, "Accept-Encoding, Accept, X-A, Origin"},
		{"empty members are left out", []string{",Accept,,", " , "}, "Accept, Origin"},
		{"Origin is not repeated", []string{"Origin"}, ""},
		{"Origin is known in any case and place", []string{"Accept", "accept-encoding ,\tORIGIN"}, ""},
		{"a star says it all", []string{"*"}, ""},
		{"a star in a later line says it all", []string{"Accept", "X-A, *"}, ""},
		{"a longer name is not Origin", []string{"X-Origin, Origin-Agent-Cluster"}, "X-Origin, Origin-Agent-Cluster, Origin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := mergeVary(c.lines); got != c.want {
				t.Errorf("mergeVary(%q) = %q, want %q", c.lines, got, c.want)
			}
		})
	}
}
