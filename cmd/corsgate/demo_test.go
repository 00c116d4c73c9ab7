package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy"
	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/lines/linestest"
	"github.com/corsgate/corsgate/server/servertest"
)

func TestDemoOnceGetsTheRightAnswersInEveryProfile(t *testing.T) {
	envoytest.Binary(t)
	for _, flags := range demoProfiles() {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			var out, errs output
			code := run(t.Context(), append([]string{"demo", "--once", "--listen", "127.0.0.1:0", "--profile"}, flags...), nil, &out, &errs)
			if code != exitOK {
				t.Fatalf("exit code %d\n%s\n%s", code, &out, &errs)
			}
			reasons := regexp.MustCompile(`reason: (\w+)`).FindAllStringSubmatch(out.String(), -1)
			var got []string
			for _, m := range reasons {
				got = append(got, m[1])
			}
			want := "preflight_allowed preflight_origin_denied request_allowed request_origin_denied"
			if strings.Join(got, " ") != want {
				t.Errorf("reasons %v, want %s", got, want)
			}
			by := "corsgate"
			if flags[0] == string(envoy.NoTrip) {
				by = "Envoy itself"
			}
			if n := strings.Count(out.String(), ", by "+by+"\n"); n != len(got) {
				t.Errorf("%d of %d decisions are said to be by %s:\n%s", n, len(got), by, &out)
			}
		})
	}
}

// demoProfiles are the profiles of the demo, and what goes with them.
func demoProfiles() [][]string {
	all := [][]string{{string(envoy.NoTrip), "--without-service"}}
	for _, profile := range envoy.Profiles() {
		all = append(all, []string{string(profile)})
	}
	return all
}

// TestDemoIsNoPartOfServesEnvironment runs it where serve is set up for a
// container: the demo's listeners stay on loopback.
func TestDemoIsNoPartOfServesEnvironment(t *testing.T) {
	envoytest.Binary(t)
	t.Setenv("CORSGATE_ADMIN_LISTEN", "0.0.0.0:0")
	t.Setenv("CORSGATE_GRPC_LISTEN", "unix:///nowhere/corsgate.sock")
	t.Setenv("CORSGATE_LISTEN", "no address")
	var out, errs output
	if code := run(t.Context(), []string{"demo", "--once", "--listen", "127.0.0.1:0"}, nil, &out, &errs); code != exitOK {
		t.Errorf("exit code %d\n%s\n%s", code, &out, &errs)
	}
}

func TestDemoServesAnEditedPolicyAndLeavesNothingBehind(t *testing.T) {
	envoytest.Binary(t)
	for _, flags := range [][]string{{}, {"--profile", "one-trip"}, {"--without-service"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var out, errs output
			ended := make(chan int, 1)
			go func() {
				ended <- run(ctx, append([]string{"demo", "--listen", "127.0.0.1:0"}, flags...), nil, &out, &errs)
			}()
			guide := out.await(t, regexp.MustCompile(`(?s)Envoy answers on (\S+),.*Policy: (\S+) .*?(?:Status: (\S+)/status.*)?Ctrl-C ends`), &errs)
			base, policyFile, admin := guide[1], guide[2], guide[3]
			by := "Envoy itself"
			if slices.Contains(flags, "one-trip") {
				by = "corsgate"
			}
			if service := !slices.Contains(flags, "--without-service"); service != (admin != "") {
				t.Errorf("status on %q:\n%s", admin, &out)
			}

			if got := allowOrigin(t, base, "https://new.example.org"); got != "" {
				t.Fatalf("the origin is allowed before the edit: %q", got)
			}
			replaceIn(t, policyFile, "https://app.example.com", "https://new.example.org")
			servertest.Await(t, "the edit", func() bool { return allowOrigin(t, base, "https://new.example.org") != "" })
			// What is compiled comes a moment later to Envoy, which asks until then.
			decided := regexp.MustCompile(`200 GET "/" from "?https://new.example.org"?: request_allowed, by ` + by + "\n")
			servertest.Await(t, "a decision by "+by, func() bool {
				return allowOrigin(t, base, "https://new.example.org") != "" && decided.MatchString(out.String())
			})

			cancel()
			select {
			case code := <-ended:
				if code != exitOK {
					t.Errorf("exit code %d\n%s", code, &errs)
				}
			case <-time.After(patience):
				t.Fatal("the demo does not end")
			}
			if _, err := os.Stat(filepath.Dir(policyFile)); !os.IsNotExist(err) {
				t.Errorf("the policy's folder is still there: %v", err)
			}
			for _, url := range []string{base, admin} {
				if resp, err := http.Get(url); err == nil {
					resp.Body.Close()
					t.Errorf("%s still answers", url)
				}
			}
		})
	}
}

// TestDemoWithoutAServiceRefusesWhatNeedsOne edits the policy so that Envoy cannot
// decide about it: the one before stays.
func TestDemoWithoutAServiceRefusesWhatNeedsOne(t *testing.T) {
	envoytest.Binary(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs output
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--listen", "127.0.0.1:0", "--without-service"}, nil, &out, &errs)
	}()
	guide := out.await(t, regexp.MustCompile(`(?s)Envoy answers on (\S+),.*Policy: (\S+) .*Ctrl-C ends`), &errs)
	replaceIn(t, guide[2], "- name: public\n", "- name: public\n  mode: shadow\n")
	errs.await(t, regexp.MustCompile(`demo\.yaml:\d+:9: error \[needs-service\].*public.*: mode: (?s:.*)policies refused, the last good ones keep serving`), &out)
	if got := allowOrigin(t, guide[1], "https://app.example.com"); got != "https://app.example.com" {
		t.Errorf("the policies before do not serve: %q", got)
	}
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d\n%s", code, &errs)
	}
}

func TestDemoUpstreamAnswersEverythingAndLetsEverybodyRead(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs output
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"demo", "upstream", "--listen", "127.0.0.1:0"}, nil, &out, &errs) }()
	address := out.await(t, regexp.MustCompile(`listens on (\S+)\n`), &errs)[1]
	if got := allowOrigin(t, "http://"+address, "https://evil.example.net"); got != "*" {
		t.Errorf("Access-Control-Allow-Origin %q", got)
	}
	// As docker-compose.yml asks whether it is there.
	if code := run(ctx, []string{"health", "--admin-address", address}, nil, &out, &errs); code != exitOK {
		t.Errorf("health: exit code %d\n%s", code, &errs)
	}
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d\n%s", code, &errs)
	}
}

// TestDemoWaitsForNobodyWhoReads gives it outputs that take nothing.
func TestDemoWaitsForNobodyWhoReads(t *testing.T) {
	envoytest.Binary(t)
	for _, args := range [][]string{{"demo"}, {"demo", "upstream"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
			defer cancel()
			r, unread := io.Pipe()
			defer r.Close()
			address := envoytest.FreeAddress()
			ended := make(chan int, 1)
			go func() { ended <- run(ctx, append(args, "--listen", address), nil, unread, unread) }()
			for err := errors.New("not asked"); err != nil; time.Sleep(10 * time.Millisecond) {
				if ctx.Err() != nil {
					t.Fatalf("it does not answer: %v", err)
				}
				err = askReady(ctx, address) // every path answers 200
			}
			cancel()
			select {
			case code := <-ended:
				if code != exitOK {
					t.Errorf("exit code %d", code)
				}
			case <-time.After(servertest.Patience):
				t.Fatal("it does not end")
			}
		})
	}
}

// tryUndecided has the demo make its requests without a corsgate that decides, and returns
// what it prints.
func tryUndecided(t *testing.T, format string) (printed string, err error) {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(answerUpstream))
	defer upstream.Close()
	entries := make(chan accessEntry, 4)
	for range demoProbes() {
		entries <- accessEntry{Reason: "no_policy"}
	}
	var out output
	err = (&demo{out: &out, flags: &demoFlags{format: oneOf(format)}}).tryAll(t.Context(), upstream.URL, entries)
	return out.String(), err
}

func TestDemoSaysSoWhenTheAnswersAreNotAsTheyShouldBe(t *testing.T) {
	printed, err := tryUndecided(t, "text")
	if err == nil || err.Error() != "4 of 4 answers are not as they should be" {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{
		"wrong: status 200, want 204", `wrong: reason "no_policy", want "preflight_origin_denied"`,
		`wrong: access-control-allow-origin ["*"], want []`, `wrong: vary [], want ["Origin"]`,
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("the output lacks %s:\n%s", want, printed)
		}
	}
}

func TestDemoOnceAsJSONHasEachAnswerAndWhatIsWrongWithIt(t *testing.T) {
	printed, err := tryUndecided(t, "json")
	if err == nil {
		t.Error("wrong answers are no error")
	}
	var got struct{ Answers []tried }
	if err := json.Unmarshal([]byte(printed), &got); err != nil {
		t.Fatalf("%v in %s", err, printed)
	}
	if len(got.Answers) != 4 {
		t.Fatalf("%d answers", len(got.Answers))
	}
	for _, a := range got.Answers {
		if a.Status != 200 || a.Reason != "no_policy" || len(a.Wrong) == 0 || !strings.HasPrefix(a.Command, "curl ") {
			t.Errorf("%+v", a)
		}
	}
}

func TestDemoAsJSONPrintsALineForTheAddressesAndOneForEachDecision(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs output
	d := &demo{out: &out, flags: &demoFlags{format: oneOf("json")}, policyFile: "demo.yaml"}
	d.guide("http://127.0.0.1:1", "http://127.0.0.1:2/status")
	entries := make(chan accessEntry, 1)
	entries <- accessEntry{Method: "GET", Path: "/", Status: 200, Reason: "request_allowed"}
	ended := make(chan struct{})
	go func() { defer close(ended); d.follow(ctx, entries) }()
	out.await(t, regexp.MustCompile(`^\{"console":"http://127.0.0.1:2/console/","envoy":"http://127.0.0.1:1","policies":"demo.yaml","status":"http://127.0.0.1:2/status"\}\n\{"method":"GET".*"request_allowed"\}\n$`), &errs)
	cancel()
	<-ended
}

func TestDemoTakesAFreePortOnlyWhenNoneWasAskedFor(t *testing.T) {
	taken := takenPort(t)
	f := demoFlags{listen: taken}
	if err := f.chooseListen(false); err != nil || f.listen != "127.0.0.1:0" || !strings.Contains(f.starting(), taken+" is taken") {
		t.Errorf("by default: %s, %q, %v", f.listen, f.starting(), err)
	}
	free := demoFlags{listen: "127.0.0.1:0"}
	if err := free.chooseListen(false); err != nil || free.starting() != "starting envoy" {
		t.Errorf("on a free port: %q, %v", free.starting(), err)
	}
	var out, errs output
	code := run(t.Context(), []string{"demo", "--listen", taken}, nil, &out, &errs)
	want := "corsgate: cannot listen on --listen " + taken + ": address already in use\n" +
		"corsgate: hint: choose another --listen, or leave it out to take a free port\n"
	if code != exitFailure || errs.String() != want {
		t.Errorf("asked for: exit code %d\n%s, want\n%s", code, &errs, want)
	}
}

func TestAccessLogHandsOnEachEntryHoweverItIsWritten(t *testing.T) {
	const log = `{"method":"GET","path":"/a","status":200,"origin":"\"https://a.example\"","reason":"request_allowed"}` + "\n" +
		"no entry\n" + `{"method":"GET","path":"/\n","status":404}` + "\n" + `{"method":"PUT","path":"/b","status":200,"origin":"https://\u202eb","reason":"unanswered","apply":"strip"}` + "\n" +
		`{"method":"GET","path":"/c","status":200,"reason":"no_policy","apply":"none"}` + "\n"
	for size := 1; size <= len(log); size += 7 {
		var got []string
		w := &accessLog{each: func(e accessEntry) { got = append(got, e.String()) }}
		for b := []byte(log); len(b) > 0; {
			n, _ := w.Write(b[:min(size, len(b))])
			b = b[n:]
		}
		want := `200 GET "/a" from "https://a.example": request_allowed, by Envoy itself|404 GET "/\n": no decision|200 PUT "/b" from https://\u202eb: unanswered|200 GET "/c": no_policy, by corsgate`
		if strings.Join(got, "|") != want {
			t.Errorf("in writes of %d bytes: %q", size, got)
		}
	}
}

// output is what a running command prints; it may be read meanwhile.
type output struct{ linestest.Buffer }

// await waits until the output matches re; on failure it shows errs too.
func (o *output) await(t *testing.T, re *regexp.Regexp, errs *output) []string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if m := re.FindStringSubmatch(o.String()); m != nil {
			return m
		}
	}
	t.Fatalf("the output does not match %q:\n%s\n%s", re, o, errs)
	return nil
}

// allowOrigin returns the Access-Control-Allow-Origin that a request of origin gets.
func allowOrigin(t *testing.T, base, origin string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return strings.Join(resp.Header.Values("Access-Control-Allow-Origin"), "|")
}

// replaceIn edits a file in place.
func replaceIn(t *testing.T, file, old, new string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s has no %s", file, old)
	}
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte(old), []byte(new)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// takenPort returns an address that is listened on.
func takenPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
