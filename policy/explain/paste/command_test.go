package paste

import (
	"cmp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

func TestCurl(t *testing.T) {
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
		{"a Host is what a server goes by", "curl http://127.0.0.1:11000/admin?q=%2f -H 'host: api.example.com:8443'", explain.Question{Method: "GET", URL: "http://api.example.com:8443/admin?q=%2f"}},
		{"a Host and a path of any spelling", "curl 'http://127.0.0.1/a%2F/../b%zz?q' -H 'Host: api.example.com'", explain.Question{Method: "GET", URL: "http://api.example.com/a%2F/../b%zz?q"}},
		{"a Host and no path", "curl 127.0.0.1:11000 -H 'Host: api.example.com'", explain.Question{Method: "GET", URL: "http://api.example.com"}},
		{"a Host and a query without a path", "curl '127.0.0.1:11000?a=/' -H 'Host: api.example.com'", explain.Question{Method: "GET", URL: "http://api.example.com?a=/"}},
		{"a Host and a user in the URL", "curl http://me:secret@127.0.0.1/v1 -H 'Host: api.example.com'", explain.Question{Method: "GET", URL: "http://api.example.com/v1", Credentials: browser.Include}},
		{"a Host that is taken away", "curl " + target + " -H Host:", explain.Question{Method: "GET", URL: target}},
		{"an empty Host", "curl " + target + " -H 'Host;'", explain.Question{Method: "GET", URL: target}},
		{"lines and quotes of a shell", "curl $'https://api.example.com/\\x761' \\\n  -H \"X-A: $TOKEN\"", explain.Question{Method: "GET", URL: target, Headers: header("X-A", "$TOKEN")}},
		{"curl of Windows", "curl.exe -X PUT " + target, explain.Question{Method: "PUT", URL: target}},
		{"curl somewhere", "/usr/bin/curl " + target, explain.Question{Method: "GET", URL: target}},
		{"curl somewhere on Windows", `'C:\Windows\System32\CURL.EXE' ` + target, explain.Question{Method: "GET", URL: target}},
		{"braces, of which there may be many", "curl -X PUT 'https://a.test' -o {1..99999999} " + target, explain.Question{Method: "PUT", URL: target}},
		{"a prompt", "$ curl -X PUT " + target, explain.Question{Method: "PUT", URL: target}},
		{"a prompt of Windows", `C:\Users\me>curl -X PUT ` + target, explain.Question{Method: "PUT", URL: target}},
		{"a prompt of PowerShell", `PS C:\> curl.exe -X PUT ` + target, explain.Question{Method: "PUT", URL: target}},
		{"a byte order mark and line ends of Windows", "\ufeffcurl \\\r\n -X PUT \\\r\n " + target + "\r\n", explain.Question{Method: "PUT", URL: target}},
		{"what else stands there", "cd /tmp; TOKEN=a; A=b curl -X PUT " + target + " 2>/dev/null | jq .", explain.Question{Method: "PUT", URL: target}},
		{"the origin of a request that was not sent", "curl " + target + " -X PUT -H 'Referer: https://App.example.com:443/page?x=*'",
			explain.Question{Method: "PUT", URL: target, Origin: "https://app.example.com", Notes: []string{refererNote}}},
		{"a referer by its option", "curl " + target + " -e https://app.example.com/page", explain.Question{Method: "GET", URL: target, Origin: "https://app.example.com", Notes: []string{refererNote}}},
		{"a referer that is none", "curl " + target + " -H 'Referer: about:client'", explain.Question{Method: "GET", URL: target}},
		{"an origin beside the referer", "curl " + target + " -H 'Origin: null' -H 'Referer: https://app.example.com/'", explain.Question{Method: "GET", URL: target, Origin: "null"}},
		{"a form that is sent", "curl -d SAMLResponse=x " + target + " -H 'Origin: https://idp.example' -H 'Sec-Fetch-Mode: navigate'",
			explain.Question{Method: "POST", URL: target, Origin: "https://idp.example", Mode: explain.Navigate, Headers: append(form[:1:1], browser.Header{Name: "Sec-Fetch-Mode", Value: "navigate"})}},
		{"a document", "curl " + target + " -H 'Sec-Fetch-Dest: document'", explain.Question{Method: "GET", URL: target, Mode: explain.Navigate, Headers: header("Sec-Fetch-Dest", "document")}},
		{"a font", "curl " + target + " -H 'Sec-Fetch-Dest: font'", explain.Question{Method: "GET", URL: target, Font: true, Headers: header("Sec-Fetch-Dest", "font")}},
		{"an image", "curl " + target + " -H 'Sec-Fetch-Mode: no-cors'", explain.Question{Method: "GET", URL: target, Mode: explain.NoCORS, Headers: header("Sec-Fetch-Mode", "no-cors")}},
		{"a WebSocket", "curl 'wss://api.example.com/live' -H 'Upgrade: websocket' -H 'Origin: https://app.example.com'",
			explain.Question{Method: "GET", URL: "wss://api.example.com/live", Origin: "https://app.example.com", Mode: explain.WebSocket, Headers: header("Upgrade", "websocket")}},
		{"OPTIONS as it was sent", "curl -X OPTIONS -H 'Origin: https://a.test' " + target, explain.Question{Method: "OPTIONS", URL: target, Origin: "https://a.test", Bare: true}},
		{"OPTIONS that asks for no method", "curl -X OPTIONS -H 'Access-Control-Request-Method;' " + target,
			explain.Question{Method: "OPTIONS", URL: target, Headers: header("Access-Control-Request-Method", ""), Bare: true}},
		{"a preflight", "curl -X OPTIONS -H 'Access-Control-Request-Method: PUT' " + target,
			explain.Question{Method: "OPTIONS", URL: target, Headers: header("Access-Control-Request-Method", "PUT")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := tc.want
			want.Credentials = cmp.Or(want.Credentials, explain.Unknown)
			compare(t, tc.command, want)
		})
	}
}

// compare wants these questions of a pasted text.
func compare(t *testing.T, text string, want ...explain.Question) {
	t.Helper()
	got, err := Command(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCommandRefuses(t *testing.T) {
	for _, tc := range []struct{ name, command, want string }{
		{"another command", "wget https://a.test", "not a curl command"},
		{"another command with an option", "echo curl https://a.test", "not a curl command"},
		{"PowerShell's form", "$session = New-Object Microsoft.PowerShell.Commands.WebRequestSession\nInvoke-WebRequest -Uri \"https://a.test\" `\n-Method \"PUT\"", `copy the request as "cURL (bash)"`},
		{"a HAR file", `{"log": {"entries": []}}`, "not a curl command"},
		{"a call of fetch by hand", "fetch('https://a.test', {method: 'PUT'})", "read the call of fetch"},
		{"options of fetch by hand", `fetch("https://a.test", {method: "PUT"})`, "with JSON for the options"},
		{"a call of fetch that is cut", `fetch("https://a.te`, "read the call of fetch"},
		{"nothing", "", "not a curl command"},
		{"very many", strings.Repeat("curl https://a.test\n", 1<<18), "more than 4 MiB: copy fewer"},
		{"no URL", "curl -s", "no URL"},
		{"an option without its value", "curl https://a.test -H", "-H of the curl command has no value"},
		{"the last of a word without its value", "curl https://a.test -sX", "-X of the curl command has no value"},
		{"a quote that does not end", "curl 'https://a.test", "read the curl command"},
		{"a command to run", "curl $(touch file)", "read the curl command: the command at 1:6 is not run: write there what it prints"},
		{"a command to run, whose output is a file", "curl -d @<(touch file) https://a.test", "read the curl command: the command at 1:10 is not run: write the name of a file there"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Command(tc.command); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

const refererNote = "the copied request has no Origin, as if the browser had sent none: the origin is taken from its Referer"

// TestSeveralCommands are what "Copy all as cURL" gives.
func TestSeveralCommands(t *testing.T) {
	question := func(method, url string) explain.Question {
		return explain.Question{Method: method, URL: url, Credentials: explain.Unknown}
	}
	for name, text := range map[string]string{
		"in a shell":              "curl 'https://a.test/1' ;\ncurl 'https://a.test/2' \\\n  -X 'PUT'",
		"in a shell with prompts": "$ curl https://a.test/1\n$ curl https://a.test/2 -X PUT\n",
		"one after the other":     "curl https://a.test/1 && curl https://a.test/2 -XPUT",
		"in cmd":                  "curl ^\"https://a.test/1^\" &\r\ncurl ^\"https://a.test/2^\" ^\r\n  -X ^\"PUT^\"",
		"of fetch":                `fetch("https://a.test/1"); await fetch("https://a.test/2", {"method": "PUT"});`,
	} {
		t.Run(name, func(t *testing.T) {
			if name == "of fetch" {
				text = strings.ReplaceAll(text, "; ", ";\n")
			}
			first := question("GET", "https://a.test/1")
			if name == "of fetch" {
				first.Method = ""
			}
			compare(t, text, first, question("PUT", "https://a.test/2"))
		})
	}
}

// TestWindows is about what Chrome's "Copy as cURL (cmd)" writes.
func TestWindows(t *testing.T) {
	const target = "https://api.example.com/v1/orders"
	json := browser.Headers{{Name: "content-type", Value: "application/json"}}
	for name, c := range map[string]struct {
		text string
		want explain.Question
	}{
		"carets before quotes": {"curl ^\"https://api.example.com/v1/orders^\" ^\r\n  -X ^\"PUT^\" ^\r\n  -H ^\"Origin: https://app.example.com^\" ^\r\n" +
			"  -H ^\"content-type: application/json^\" ^\r\n  --data-raw ^\"^{^\\^\"a^\\^\":1^}^\"",
			explain.Question{Method: "PUT", URL: target, Origin: "https://app.example.com", Headers: json}},
		"quotes alone": {"curl \"https://api.example.com/v1/orders\" ^\n --data-raw \"{\"\"a b\"\":\"\"c & d\"\"}\" ^\n  -X \"PUT\" ^\n  -H \"Origin: https://app.example.com\" ^\n  -H \"content-type: application/json\"",
			explain.Question{Method: "PUT", URL: target, Origin: "https://app.example.com", Headers: json}},
		"what cmd would replace":     {"curl ^\"https://api.example.com/v1/orders?a=^%^20b^&c=^%^22^\"", explain.Question{Method: "GET", URL: target + "?a=%20b&c=%22"}},
		"a line end in a body":       {"curl ^\"https://api.example.com/v1/orders^\" --data-raw ^\"a^\n\nb^\" ^\n -X PUT -H ^\"content-type: application/json^\"", explain.Question{Method: "PUT", URL: target, Headers: json}},
		"a quote in a value":         {"curl.exe ^\"https://api.example.com/v1/orders^\" ^\n -H ^\"X-A: ^\\^\"q^\\^\" r^\"", explain.Question{Method: "GET", URL: target, Headers: browser.Headers{{Name: "X-A", Value: `"q" r`}}}},
		"two quotes in a value":      {"curl \"https://api.example.com/v1/orders\" ^\n -H \"X-A: \"\"q\"\" r\"", explain.Question{Method: "GET", URL: target, Headers: browser.Headers{{Name: "X-A", Value: `"q" r`}}}},
		"a backslash in a value":     {"curl ^\"https://api.example.com/v1/orders^\" ^\n -H ^\"X-A: a^\\^\\^\"", explain.Question{Method: "GET", URL: target, Headers: browser.Headers{{Name: "X-A", Value: `a\`}}}},
		"a prompt":                   {"C:\\> curl ^\"https://api.example.com/v1/orders^\"", explain.Question{Method: "GET", URL: target}},
		"a shell's caret is its own": {"curl 'https://api.example.com/v1/orders' -H 'X-A: a^\"b'", explain.Question{Method: "GET", URL: target, Headers: browser.Headers{{Name: "X-A", Value: `a^"b`}}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Credentials = explain.Unknown
			compare(t, c.text, c.want)
		})
	}
}

func TestFetch(t *testing.T) {
	headers := browser.Headers{{Name: "accept", Value: "*/*"}, {Name: "x-a", Value: "1"}}
	for name, c := range map[string]struct {
		text string
		want explain.Question
	}{
		"as Chrome copies it": {`fetch("https://api.example.com/v1", {
  "headers": {
    "accept": "*/*",
    "priority": "u=1, i",
    "x-a": "1"
  },
  "referrer": "https://app.example.com/",
  "body": "{\"a\":1}",
  "method": "PUT",
  "mode": "cors",
  "credentials": "omit"
});`, explain.Question{Method: "PUT", URL: "https://api.example.com/v1", Origin: "https://app.example.com", Headers: headers, Credentials: browser.Omit, Notes: []string{refererNote}}},
		"as Firefox copies it": {`await fetch("https://api.example.com/v1", {
    "credentials": "include",
    "headers": {"X-A": "1"},
    "referrer": "https://app.example.com/",
    "method": "GET",
    "mode": "cors"
});`, explain.Question{Method: "GET", URL: "https://api.example.com/v1", Origin: "https://app.example.com", Headers: browser.Headers{{Name: "X-A", Value: "1"}}, Credentials: browser.Include, Notes: []string{refererNote}}},
		"for Node.js": {`fetch("https://api.example.com/v1", {"headers": {"cookie": "a=b", "Referer": "https://app.example.com/"}, "body": null, "method": "POST"});`,
			explain.Question{Method: "POST", URL: "https://api.example.com/v1", Origin: "https://app.example.com", Credentials: browser.Include, Notes: []string{refererNote}}},
		"for Node.js, with a Host": {`fetch("http://127.0.0.1:11000/v1", {"headers": {"Host": "api.example.com", "Origin": "https://a.test"}, "method": "POST"})`,
			explain.Question{Method: "POST", URL: "http://api.example.com/v1", Origin: "https://a.test", Credentials: explain.Unknown}},
		"another mode": {`fetch("https://api.example.com/v1", {"mode": "no-cors", "credentials": "include", "headers": {"Origin": "https://a.test"}})`,
			explain.Question{URL: "https://api.example.com/v1", Origin: "https://a.test", Mode: explain.NoCORS, Credentials: browser.Include}},
	} {
		t.Run(name, func(t *testing.T) { compare(t, c.text, c.want) })
	}
}

// FuzzCommand wants a URL of every question, and no panic.
func FuzzCommand(f *testing.F) {
	for _, text := range []string{
		"curl https://a.test", "$ curl 'x' \\\n -H $'a: \\x41' ; curl {a,b} $IFS ${x:-y}", "curl ^\"https://a.test^\" ^\n -H ^\"a^\n\nb\\\"^\" &\ncurl x",
		`fetch("https://a.test", {"headers": {"a": "b"}})`, "curl <<E\nx\nE", "curl $((1/0)) ~ *", "curl ^",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		qs, err := Command(text)
		if (err == nil) != (len(qs) > 0) {
			t.Errorf("%d questions, %v", len(qs), err)
		}
		for _, q := range qs {
			if q.URL == "" && !strings.Contains(text, "fetch") {
				t.Errorf("no URL: %+v", q)
			}
		}
	})
}
