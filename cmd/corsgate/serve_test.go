package main

import "testing"

func TestOnlyLoopbackAddressesNeedNoPermission(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:9002":          true,
		"127.9.8.7:9002":          true,
		"[::1]:9002":              true,
		"[::ffff:127.0.0.1]:9002": true,
		"localhost:9002":          true,
		":9002":                   false,
		"0.0.0.0:9002":            false,
		"[::]:9002":               false,
		"10.0.0.1:9002":           false,
		"localhost.example:9002":  false,
		"127.0.0.1.example:9002":  false,
		"127.0.0.1":               false,
		"unix:///run/admin.sock":  false,
	} {
		if got := isLoopback(address); got != want {
			t.Errorf("%s: %t, want %t", address, got, want)
		}
	}
}
