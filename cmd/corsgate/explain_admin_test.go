package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy/explain"
)

func TestAskAdminCleansAndCutsAnError(t *testing.T) {
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "\x1b[2J"+strings.Repeat("x", 1<<16), http.StatusBadRequest)
	}))
	defer admin.Close()
	ask, err := askAdmin(admin.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ask(t.Context(), explain.Question{})
	if err == nil || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 1024 || !strings.Contains(err.Error(), `\x1b[2Jxx`) {
		t.Errorf("%v", err)
	}
}
