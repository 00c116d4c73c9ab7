package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestHealthFollowsNoRedirect is about another program at the address, such as one that
// sends everybody to its login.
func TestHealthFollowsNoRedirect(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/readyz", http.RedirectHandler("/login", http.StatusFound))
	mux.HandleFunc("/login", func(http.ResponseWriter, *http.Request) {})
	other := httptest.NewServer(mux)
	defer other.Close()
	if err := askReady(t.Context(), other.Listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "not ready: 302 Found") {
		t.Errorf("got %v", err)
	}
}
