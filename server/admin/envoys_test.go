package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/live"
)

// envoys are those that a page is given. They wait for nothing.
type envoys []ecds.Envoy

func (e envoys) Envoys() []ecds.Envoy { return e }

func (e envoys) Await(ctx context.Context) []ecds.Envoy {
	if _, bounded := ctx.Deadline(); !bounded {
		panic("a reload may wait for ever")
	}
	return e
}

// loaded reloads well.
type loaded struct{}

func (loaded) Status() live.Status                         { return live.Status{Generation: 7} }
func (loaded) Reload(context.Context) (live.Status, error) { return live.Status{Generation: 7}, nil }

func envoyIn(node string, state ecds.State) ecds.Envoy {
	e := ecds.Envoy{Node: node, Address: "10.0.0.1:1", State: state, Resources: []ecds.Subscription{{Name: "corsgate", State: state, Version: "2", Acknowledged: "1"}}}
	if state == ecds.Refused {
		e.Resources[0].Refused = &ecds.Refusal{Version: "2", Error: "no such\n thing"}
	}
	return e
}

// ask returns the code and the JSON of an answer about Envoys.
func (e envoys) ask(t *testing.T, method, path string) (code int, body string, fields map[string]any) {
	t.Helper()
	s := &admin.Server{Reloader: loaded{}, Ready: func() bool { return true }, Envoys: e}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	return w.Code, w.Body.String(), fields
}

func TestAReloadIsDoneWhenEnvoysHaveIt(t *testing.T) {
	var many envoys
	for i := range 12 {
		many = append(many, envoyIn(fmt.Sprint("n", i), ecds.Waiting))
	}
	for _, c := range []struct {
		name         string
		envoys       envoys
		code         int
		field, wants string
	}{
		{"nobody", envoys{}, http.StatusOK, "", ""},
		{"all have it", envoys{envoyIn("a", ecds.Current)}, http.StatusOK, "", ""},
		{"one waits", envoys{envoyIn("a", ecds.Current), envoyIn("b", ecds.Waiting)}, http.StatusAccepted, "message",
			`the service has the policies, and these Envoys have not acknowledged them yet: "b" at 10.0.0.1:1`},
		{"many wait", many, http.StatusAccepted, "message", `"n9" at 10.0.0.1:1, 2 more`},
		{"one has refused it", envoys{envoyIn("a", ecds.Waiting), envoyIn("b", ecds.Refused)}, http.StatusUnprocessableEntity, "error",
			`the service has the policies, and these Envoys have refused them: "b" at 10.0.0.1:1 (corsgate: "no such\n thing")`},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, body, fields := c.envoys.ask(t, http.MethodPost, "/-/reload")
			if code != c.code {
				t.Errorf("%d, want %d: %s", code, c.code, body)
			}
			if text, _ := fields[c.field].(string); !strings.HasSuffix(text, c.wants) {
				t.Errorf("%s: %q, want %q", c.field, text, c.wants)
			}
			if refused := code == http.StatusUnprocessableEntity; refused == (fields["generation"] != nil) {
				t.Errorf("the answer is %s", body)
			}
		})
	}
}

func TestStatusShowsEnvoys(t *testing.T) {
	_, body, fields := envoys{envoyIn("a\u202e", ecds.Refused)}.ask(t, http.MethodGet, "/status")
	e := fields["envoys"].([]any)[0].(map[string]any)
	r := e["resources"].([]any)[0].(map[string]any)
	if e["node"] != "a\u202e" || e["state"] != "refused" || r["version"] != "2" || r["acknowledged"] != "1" || r["refused"].(map[string]any)["error"] != "no such\n thing" {
		t.Errorf("the page is %s", body)
	}
	if !strings.Contains(body, `a\u202e`) {
		t.Errorf("a name turns the text: %s", body)
	}
	if _, body, _ := (envoys{}).ask(t, http.MethodGet, "/status"); strings.Contains(body, "envoys") {
		t.Errorf("without Envoys the page is %s", body)
	}
}
