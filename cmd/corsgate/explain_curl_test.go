package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

func TestFromCurl(t *testing.T) {
	const target = "https://api.example.com/v1"
	header := func(name, value string) browser.Headers { return browser.Headers{{Name: name, Value: value}} }
	form := header("content-type", "application/x-www-form-urlencoded")
	for _, tc := range []struct {
		name, command string
		want          explain.Question
	}{
		{"a URL alone", "curl " + target, explain.Question{Method: "GET", URL: target}},
		{"a URL without a scheme", "curl api.example.com", explain.Question{Method: "GET", URL: "http://api.example.com"}},
		{"a URL by its option", "curl --url " + target + " -s", explain.Question{Method: "GET", URL: target}},
		{"glued options", "curl -XPUT -H'X-A: 1' --url=" + target, explain.Question{Method: "PUT", URL: target, Headers: header("X-A", "1")}},
		{"long options", "curl --request PUT --header 'X-A: 1' " + target, explain.Question{Method: "PUT", URL: target, Headers: header("X-A", "1")}},
		{"the origin", "curl -H 'origin: https://a.test' " + target, explain.Question{Method: "GET", URL: target, Origin: "https://a.test"}},
		{"a body is a POST of a form", "curl -d a=b " + target, explain.Question{Method: "POST", URL: target, Headers: form}},
		{"a type says otherwise, wherever it stands", "curl -H 'Content-Type: text/plain' -d a=b " + target,
			explain.Question{Method: "POST", URL: target, Headers: header("Content-Type", "text/plain")}},
		{"a type after the body", "curl -d a=b -H 'Content-Type: text/plain' " + target,
			explain.Question{Method: "POST", URL: target, Headers: header("Content-Type", "text/plain")}},
		{"a type that is taken away", "curl -d a=b -H 'Content-Type:' " + target, explain.Question{Method: "POST", URL: target}},
		{"JSON", "curl --json '{}' " + target, explain.Question{Method: "POST", URL: target, Headers: header("content-type", "application/json")}},
		{"a body in the query", "curl -G -d a=b " + target, explain.Question{Method: "GET", URL: target, Headers: form}},
		{"an upload", "curl -T file " + target, explain.Question{Method: "PUT", URL: target}},
		{"HEAD among other flags", "curl -sI " + target, explain.Question{Method: "HEAD", URL: target}},
		{"a flag and an option in one word", "curl -sX DELETE " + target, explain.Question{Method: "DELETE", URL: target}},
		{"a flag and a header in one word after the URL", "curl " + target + " -sH 'Origin: https://a.test'", explain.Question{Method: "GET", URL: target, Origin: "https://a.test"}},
		{"letters of a glued value are no flags", "curl -sXPIGS -d a=b " + target, explain.Question{Method: "PIGS", URL: target, Headers: form}},
		{"a glued value that does not matter", "curl -soIG " + target, explain.Question{Method: "GET", URL: target}},
		{"cookies", "curl -b a=b " + target, explain.Question{Method: "GET", URL: target, Credentials: browser.Include}},
		{"a cookie header", "curl -H 'Cookie: a=b' " + target, explain.Question{Method: "GET", URL: target, Credentials: browser.Include}},
		{"a user", "curl -u me:secret " + target, explain.Question{Method: "GET", URL: target, Credentials: browser.Include}},
		{"a user in the URL", "curl https://me:secret@api.example.com/v1", explain.Question{Method: "GET", URL: target, Credentials: browser.Include}},
		{"values of options that do not matter are no URL", "curl -o out.txt --max-time 5 " + target + " -w '%{http_code}'", explain.Question{Method: "GET", URL: target}},
		{"what the browser adds", "curl -H 'user-agent: x' -H 'priority: u=1' -A y -e z " + target, explain.Question{Method: "GET", URL: target}},
		{"lines and quotes of a shell", "curl $'https://api.example.com/\\x761' \\\n  -H \"X-A: $TOKEN\"", explain.Question{Method: "GET", URL: target, Headers: header("X-A", "$TOKEN")}},
		{"OPTIONS as it was sent", "curl -X OPTIONS -H 'Origin: https://a.test' " + target, explain.Question{Method: "OPTIONS", URL: target, Origin: "https://a.test", Bare: true}},
		{"OPTIONS that asks for no method", "curl -X OPTIONS -H 'Access-Control-Request-Method;' " + target,
			explain.Question{Method: "OPTIONS", URL: target, Headers: header("Access-Control-Request-Method", ""), Bare: true}},
		{"a preflight", "curl -X OPTIONS -H 'Access-Control-Request-Method: PUT' " + target,
			explain.Question{Method: "OPTIONS", URL: target, Headers: header("Access-Control-Request-Method", "PUT")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := fromCurl(tc.command)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFromCurlRefuses(t *testing.T) {
	for _, tc := range []struct{ name, command, want string }{
		{"another command", "wget https://a.test", "no curl command"},
		{"nothing", "", "no curl command"},
		{"no URL", "curl -s", "no URL"},
		{"an option without its value", "curl https://a.test -H", "-H of the curl command has no value"},
		{"the last of a word without its value", "curl https://a.test -sX", "-X of the curl command has no value"},
		{"a quote that does not end", "curl 'https://a.test", "read the curl command"},
		{"a command to run", "curl $(touch file)", "read the curl command"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := fromCurl(tc.command); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v", err)
			}
		})
	}
}
