package wire

import (
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/proto"
)

func TestAppendVary(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  string // empty means that Vary is left alone
	}{
		{"no line becomes Origin", nil, "append Origin"},
		{"an empty line becomes Origin", []string{""}, "set Origin"},
		{"a member is kept", []string{"Accept-Encoding"}, "set Accept-Encoding, Origin"},
		{"the members of several lines are kept", []string{"Accept-Encoding, Accept", "X-A"}, "set Accept-Encoding, Accept, X-A, Origin"},
		{"empty members are left out", []string{",Accept,,", " , "}, "set Accept, Origin"},
		{"Origin is not repeated", []string{"Origin"}, ""},
		{"Origin is known in any case and place", []string{"Accept", "accept-encoding ,\tORIGIN"}, ""},
		{"a star says it all", []string{"*"}, ""},
		{"a star in a later line says it all", []string{"Accept", "X-A, *"}, ""},
		{"a longer name is not Origin", []string{"X-Origin, Origin-Agent-Cluster"}, "set X-Origin, Origin-Agent-Cluster, Origin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines [][]byte
			for _, line := range c.lines {
				lines = append(lines, []byte(line))
			}
			m := &extprocv3.HeaderMutation{}
			if err := proto.Unmarshal(appendVary(nil, lines), m); err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, h := range m.GetSetHeaders() {
				verb := "set "
				if h.GetAppend().GetValue() {
					verb = "append "
				}
				got += verb + string(h.GetHeader().GetRawValue())
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
