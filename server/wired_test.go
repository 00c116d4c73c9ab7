package server

import (
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

// TestPreparingSetsTheHandlerUp is for the reloader's goroutine, which prepares
// sets before Run has begun, or beside it.
func TestPreparingSetsTheHandlerUp(t *testing.T) {
	set := policytest.Compile(t, policy.Spec{Name: "api", CORS: policy.CORS{AllowOrigins: []string{"https://app.example"}}})
	s := &Server{Store: &policy.Store{}}
	s.Prepare(set)
	if s.handler.Store != s.Store {
		t.Fatal("the handler has no store")
	}
	if s.handler.Ready() {
		t.Error("ready before the store has the set")
	}
	s.Store.Swap(set)
	if !s.handler.Ready() {
		t.Error("not ready with a set that is prepared")
	}
}
