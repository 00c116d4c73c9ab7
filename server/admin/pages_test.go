package admin_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/denied"
)

func TestMetricsAndDeniedArePagesToRead(t *testing.T) {
	s := admin.Server{
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("corsgate_up 1\n")) }),
		Denied: func() any {
			return denied.List{Policies: []denied.Policy{{Policy: "api", Denied: 7}}, Untracked: 3}
		},
	}
	for path, want := range map[string]string{"/metrics": "corsgate_up 1\n", "/denied": `"denied": 7`} {
		for method, code := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "DELETE": 405} {
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, httptest.NewRequest(method, "http://127.0.0.1:9002"+path, nil))
			if w.Code != code {
				t.Errorf("%s %s: %d, want %d", method, path, w.Code, code)
			}
			if method == "GET" && !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s %s: %s", method, path, w.Body)
			}
		}
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1:9002/denied", nil))
	var list denied.List
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || list.Untracked != 3 || list.Policies[0].Policy != "api" {
		t.Errorf("%+v %v", list, err)
	}
}

func TestPagesThatNobodyServesAreNotThere(t *testing.T) {
	for _, path := range []string{"/metrics", "/denied"} {
		w := httptest.NewRecorder()
		(&admin.Server{}).Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1:9002"+path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
}
