package service_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/admin"
	"github.com/corsgate/corsgate/server/service"
	"github.com/corsgate/corsgate/server/source/file"
)

func TestPagesNeedNoLogger(t *testing.T) {
	var a admin.Server
	service.New(service.Config{Source: &file.Source{}, GRPC: &server.Server{}, Admin: &a})
	for _, path := range []string{"/metrics", "/denied", "/status"} {
		w := httptest.NewRecorder()
		if a.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil)); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
