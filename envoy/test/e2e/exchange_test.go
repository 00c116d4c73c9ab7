package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// exchange is one request and what comes of it.
type exchange struct {
	name string
	// do is the request: method, host and path.
	do string
	// with are its header lines.
	with []string
	// answers are what the upstream answers, see parseAnswers; empty means 200.
	answers string
	// want is the answer: status, reason in the access log ("-" for none),
	// whether the upstream saw the request, and all CORS header lines.
	want []string
	// but replaces want in a setup or a profile, where the wanted answer differs.
	but map[string][]string
}

// wanted is what the exchange wants of a setup.
func (e exchange) wanted(s *setup) []string {
	for _, key := range []string{s.name, string(s.config.Profile)} {
		if lines, ok := e.but[key]; ok {
			return lines
		}
	}
	return e.want
}

// id names an exchange of a setup to the upstream, and in the access log.
func (e exchange) id(s *setup, client string) string {
	return s.name + ", " + client + ", " + e.name
}

// request makes the request for the setup's Envoy.
func (e exchange) request(ctx context.Context, s *setup, client string) (*http.Request, error) {
	method, target, _ := strings.Cut(e.do, " ")
	host, path, _ := strings.Cut(target, "/")
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.address()+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	r.Host = host
	for _, line := range e.with {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	answers, err := json.Marshal(parseAnswers(e.answers))
	if err != nil {
		return nil, err
	}
	r.Header.Set(answerHeader, string(answers))
	r.Header.Set(caseHeader, e.id(s, client))
	return r, nil
}

// send sends the request and describes the answer as want does, without the
// reason, which only the access log tells.
func (e exchange) send(t *testing.T, s *setup, client string) []string {
	t.Helper()
	r, err := e.request(t.Context(), s, client)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := clients[client].RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("read the body: %v", err)
	}
	seen := "unseen"
	if s.upstream.requests(e.id(s, client)) > 0 {
		seen = "seen"
	}
	return append([]string{fmt.Sprint(resp.StatusCode), seen}, corsLines(resp.Header)...)
}

// clients are the ways to speak HTTP to Envoy. None follows redirects.
var clients = map[string]http.RoundTripper{
	"http/1": &http.Transport{DisableCompression: true},
	"http/2": h2c(),
}

func h2c() *http.Transport {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return &http.Transport{DisableCompression: true, Protocols: p}
}

// corsLines are the header lines that CORS is about, sorted. Vary is one line,
// since caches read it so; a repeated member stays repeated.
func corsLines(h http.Header) []string {
	var lines []string
	for name, values := range h {
		name = strings.ToLower(name)
		switch {
		case name == "vary":
			lines = append(lines, "vary: "+joinVary(values))
		case strings.HasPrefix(name, "access-control-"), name == "x-corsgate-reason":
			for _, v := range values {
				lines = append(lines, name+": "+v)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func joinVary(values []string) string {
	var members []string
	for _, m := range strings.Split(strings.Join(values, ","), ",") {
		members = append(members, strings.TrimSpace(m))
	}
	return strings.Join(members, ", ")
}

// differences lists what is in one of two answers and not in the other, a line
// each.
func differences(want, got []string) []string {
	var lines []string
	for _, l := range want {
		if !slices.Contains(got, l) {
			lines = append(lines, "missing "+l)
		}
	}
	for _, l := range got {
		if !slices.Contains(want, l) {
			lines = append(lines, "surplus "+l)
		}
	}
	if lines == nil && len(want) != len(got) {
		lines = append(lines, fmt.Sprintf("repeated lines: %q", got))
	}
	return lines
}
