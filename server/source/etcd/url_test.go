package etcd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/server/tlsfile"
)

func TestURLs(t *testing.T) {
	for url, want := range map[string][]string{ // the endpoints, or what the error says
		"etcd://127.0.0.1:2379/edge":        {"127.0.0.1:2379"},
		"etcds://a.example:1,b,[::1]:3/e-1": {"a.example:1", "b:2379", "[::1]:3"},
		"etcd://[::1]/edge":                 {"[::1]:2379"},
		"http://a/edge":                     {"not the URL of a store in etcd"},
		"etcd:/a/edge":                      {"not the URL of a store in etcd"},
		"":                                  {"not the URL of a store in etcd"},
		"etcd://a":                          {"names no fleet"},
		"etcd://a/":                         {"names no fleet"},
		"etcd://a/Edge":                     {"not the name of a fleet"},
		"etcd://a/edge/":                    {"not the name of a fleet"},
		"etcd://a/edge?x=1":                 {"not the name of a fleet"},
		"etcd:///edge":                      {"not the address of an etcd"},
		"etcd://a,,b/edge":                  {"not the address of an etcd"},
		"etcd://a:/edge":                    {"not the address of an etcd"},
		"etcd://:2379/edge":                 {"not the address of an etcd"},
		"etcd://a:1:2/edge":                 {"not the address of an etcd"},
		"etcd://ann:secret@a/edge":          {"has no user and no password"},
		"etcd://ann@a/edge":                 {"has no user and no password"},
	} {
		a, err := parseURL(url)
		if err != nil {
			if !strings.Contains(err.Error(), want[0]) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v, want %q", url, err, want[0])
			}
			continue
		}
		if !slices.Equal(a.endpoints, want) || a.tls != strings.HasPrefix(url, "etcds") || !strings.HasSuffix(url, "/"+a.fleet) {
			t.Errorf("%s: %+v, want %q", url, a, want)
		}
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const url, secure = "etcd://a/edge", "etcds://a/edge"
	for want, c := range map[string]Config{
		"write etcds://":              {URL: url, TLS: tlsfile.ClientFiles{CA: file}},
		"no certificate in":           {URL: secure, TLS: tlsfile.ClientFiles{CA: file}},
		"read the TLS files":          {URL: secure, TLS: tlsfile.ClientFiles{CA: file + "x"}},
		"read the certificate":        {URL: secure, TLS: tlsfile.ClientFiles{Cert: file, Key: file}},
		"name both files":             {URL: secure, TLS: tlsfile.ClientFiles{Cert: file}},
		"give both, or none":          {URL: url, User: "ann"},
		"password go together":        {URL: url, Password: "secret"},
		"give one of them":            {URL: url, User: "ann", Password: "secret", PasswordFile: file},
		"read the password":           {URL: url, User: "ann", PasswordFile: file + "x"},
		"has no user and no password": {URL: "etcd://ann:secret@a/edge"},
	} {
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}
