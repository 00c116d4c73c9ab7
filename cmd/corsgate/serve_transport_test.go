package main

import "testing"

// TestAdminTLS serves the admin pages over mTLS, on an address that would be
// refused without.
func TestAdminTLS(t *testing.T) {
	c := serveRemoteConsole(t)
	ask := func(names ...string) error {
		resp, err := c.client(names...).Get(c.origin() + "/healthz")
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	for _, client := range []struct {
		name string
		in   bool
	}{{"ops.example", true}, {"dev.example", false}} {
		if err := ask(client.name); (err == nil) != client.in {
			t.Errorf("a client named %s: %v", client.name, err)
		}
	}
	if err := ask(); err == nil {
		t.Error("a client without a certificate is let in")
	}
}
