package admin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/servertest"
)

// explainPage serves POST /explain of these specs; of none before the first
// load.
func explainPage(t *testing.T, specs []policy.Spec) *httptest.Server {
	t.Helper()
	var set *policy.Set
	if specs != nil {
		set = policytest.Compile(t, specs...)
	}
	s := httptest.NewServer((&admin.Server{Ready: func() bool { return true }, Set: func() *policy.Set { return set }}).Handler())
	t.Cleanup(s.Close)
	return s
}

func post(t *testing.T, s *httptest.Server, body string, headers ...string) (int, string) {
	t.Helper()
	resp, answer := servertest.Ask(t, http.MethodPost, s.URL+"/explain", body, headers...)
	return resp.StatusCode, answer
}

var apiSpecs = []policy.Spec{{Name: "api", CORS: policy.CORS{AllowOrigins: []string{"https://app.example.com"}}}}

func TestExplain(t *testing.T) {
	s := explainPage(t, apiSpecs)
	for origin, want := range map[string]bool{"https://app.example.com": true, "http://app.example.com": false} {
		status, body := post(t, s, `{"origin": "`+origin+`", "url": "https://api.example.com/"}`)
		var r explain.Report
		if err := json.Unmarshal([]byte(body), &r); err != nil || status != http.StatusOK {
			t.Fatalf("%d %v %s", status, err, body)
		}
		if r.Allowed != want || r.Policy.Name != "api" {
			t.Errorf("%s: %s", origin, body)
		}
	}
}

func TestExplainRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, body, header string
		specs              []policy.Spec
		status             int
		want               string
	}{
		{"what is not JSON", "origin", "", apiSpecs, http.StatusBadRequest, "send JSON as"},
		{"an unknown field", `{"orign": "x"}`, "", apiSpecs, http.StatusBadRequest, "orign"},
		{"a question without an origin", `{"url": "https://a.test"}`, "", apiSpecs, http.StatusBadRequest, "the origin is missing"},
		{"a question that is too long", `{"origin": "` + strings.Repeat("a", 300<<10) + `"}`, "", apiSpecs, http.StatusBadRequest, "too large"},
		{"a service without policies", `{"origin": "https://a.test", "url": "https://a.test"}`, "", nil, http.StatusServiceUnavailable, "no policies yet"},
		{"a web page of another site", `{}`, "Sec-Fetch-Site: cross-site", apiSpecs, http.StatusForbidden, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if status, body := post(t, explainPage(t, tc.specs), tc.body, "X-Any: a", tc.header); status != tc.status || !strings.Contains(body, tc.want) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func TestExplainIsNotThereWithoutPolicies(t *testing.T) {
	s := httptest.NewServer((&admin.Server{}).Handler())
	defer s.Close()
	if status, _ := post(t, s, "{}"); status != http.StatusNotFound {
		t.Error(status)
	}
}
