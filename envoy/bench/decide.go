package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rs/cors"

	"github.com/corsgate/corsgate/envoy/bench/sample"
	"github.com/corsgate/corsgate/policy"
)

// decideJob asks a process for the cost of decisions.
type decideJob struct {
	Rounds int
	// Sizes are the numbers of origins and policies to try, in ascending order.
	Sizes []int
	// Slice is how long each case runs in a round.
	Slice time.Duration
}

// The implementations of a decision.
const (
	ours  = "corsgate"
	other = "rs/cors"
)

// asked is how many different questions a case asks in turn: more than a processor's
// branch prediction remembers.
const asked = 1024

// playDecide answers with the cost of each decision in nanoseconds, by case and
// then by round, as one JSON object.
func playDecide(ctx context.Context, j decideJob, in *bufio.Scanner, out io.Writer) error {
	calls, err := decideCalls(j.Sizes)
	if err != nil {
		return err
	}
	var cases []sample.Case[float64]
	for _, c := range calls {
		n := calibrate(c.do, j.Slice)
		cases = append(cases, sample.Case[float64]{Name: c.name, Run: func(context.Context) (float64, error) { return perCall(c.do, n) }})
	}
	byName, err := measure(ctx, j.Rounds, cases)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	if err := json.NewEncoder(out).Encode(byName); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	untilEOF(in)
	return nil
}

// call is one case: do(n) makes n decisions.
type call struct {
	name string
	do   func(n int)
}

// calibrate returns how many calls take about as long as slice.
func calibrate(do func(int), slice time.Duration) int {
	for n := 1; ; n *= 2 {
		begin := time.Now()
		do(n)
		if took := time.Since(begin); took > slice/4 {
			return max(1, int(float64(n)*float64(slice)/float64(took)))
		}
	}
}

// perCall returns the CPU time of one of n calls in nanoseconds, including the garbage
// collector's.
func perCall(do func(int), n int) (float64, error) {
	took, err := cpuWhile(os.Getpid(), func() error {
		do(n)
		return nil
	})
	return float64(took) / float64(n), err
}

// decideCalls returns all cases.
func decideCalls(sizes []int) ([]call, error) {
	var calls []call
	for _, n := range sizes {
		more, err := callsOfSize(n)
		if err != nil {
			return nil, err
		}
		calls = append(calls, more...)
	}
	hostile, err := hostileCalls()
	return append(calls, hostile...), err
}

// maxOthers is the most entries in all cases except those of exact origins in corsgate.
const maxOthers = 100_000

// callsOfSize are the cases with n origins, and with n policies.
func callsOfSize(n int) ([]call, error) {
	origins := numbered("https://tenant-%07d.example.com", n)
	exact, err := compile(benchSpec(origins))
	if err != nil {
		return nil, err
	}
	calls := []call{
		{caseName("exact", n, "request", ours), decisions(exact, requestsFrom(origins))},
		{caseName("exact", n, "preflight", ours), decisions(exact, preflightsFrom(origins))},
	}
	if n > maxOthers {
		return calls, nil
	}
	peer := peerHandler(origins)
	wild, err := compile(benchSpec(numbered("https://*.tenant-%07d.example.com", n)))
	if err != nil {
		return nil, err
	}
	many, err := compile(benchSpecs(n)...)
	if err != nil {
		return nil, err
	}
	below := requestsFrom(numbered("https://app.tenant-%07d.example.com", n))
	return append(calls,
		call{caseName("exact", n, "request", other), handlings(peer, requestsFrom(origins))},
		call{caseName("exact", n, "preflight", other), handlings(peer, preflightsFrom(origins))},
		call{caseName("wildcard", n, "request", ours), decisions(wild, below)},
		call{caseName("policies", n, "request", ours), decisions(many, requestsTo(n))},
	), nil
}

// caseName names a case.
func caseName(what string, n int, question, who string) string {
	return fmt.Sprintf("%s/%d/%s/%s", what, n, question, who)
}

func numbered(format string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return list
}

// maxAge is the policy's maxAge.
const maxAge = 600

// benchSpec is an API that pages of these origins call with cookies.
func benchSpec(origins []string) policy.Spec {
	age := maxAge
	return policy.Spec{
		Name: "api",
		CORS: policy.CORS{
			AllowOrigins: origins, AllowMethods: []string{"GET", "PUT", "DELETE"}, AllowHeaders: []string{"authorization", "content-type"},
			ExposeHeaders: []string{"x-request-id"}, AllowCredentials: true, MaxAge: &age,
		},
	}
}

func compile(specs ...policy.Spec) (*policy.Set, error) {
	valid, problems := policy.Validate(specs)
	if problems.HasErrors() {
		return nil, problems
	}
	return policy.Compile(valid), nil
}

// benchSpecs are n policies with a host each.
func benchSpecs(n int) []policy.Spec {
	specs := make([]policy.Spec, n)
	for i := range specs {
		specs[i] = benchSpec([]string{"https://app.example.com"})
		specs[i].Name, specs[i].Hosts = fmt.Sprintf("p%d", i), []string{fmt.Sprintf("h%d.example.com", i)}
	}
	return specs
}

// spread returns the i-th of the places among n to ask about, far from the one before.
func spread(i, n int) int { return i * 7919 % n }

// requestsFrom are requests from origins all over the list.
func requestsFrom(origins []string) []policy.Request {
	list := make([]policy.Request, asked)
	for i := range list {
		list[i] = policy.Request{Method: "GET", Authority: "api.example.com", Path: "/v1/items?page=2", Origin: origins[spread(i, len(origins))], SecFetchSite: "same-site"}
	}
	return list
}

func preflightsFrom(origins []string) []policy.Request {
	list := requestsFrom(origins)
	for i := range list {
		list[i].Method, list[i].RequestMethod, list[i].RequestHeaders = http.MethodOptions, "PUT", "authorization,content-type"
	}
	return list
}

// requestsTo are requests to hosts from all over benchSpecs.
func requestsTo(n int) []policy.Request {
	list := requestsFrom([]string{"https://app.example.com"})
	for i := range list {
		list[i].Authority = fmt.Sprintf("h%d.example.com", spread(i, n))
	}
	return list
}

// decisions returns a function that decides, and looks at the headers to send.
func decisions(set *policy.Set, list []policy.Request) func(int) {
	return func(n int) {
		size := 0
		for i := range n {
			d := set.Decide(&list[i%len(list)])
			for _, h := range d.Answer.Headers {
				size += len(d.Value(h))
			}
		}
		sink(size)
	}
}

// sink keeps the compiler from leaving out values that nobody reads.
//
//go:noinline
func sink(int) {}

// peerHandler is the handler of github.com/rs/cors with the policy of benchSpec.
func peerHandler(origins []string) http.Handler {
	spec := benchSpec(origins)
	return cors.New(cors.Options{
		AllowedOrigins: origins, AllowedMethods: spec.CORS.AllowMethods, AllowedHeaders: spec.CORS.AllowHeaders,
		ExposedHeaders: spec.CORS.ExposeHeaders, AllowCredentials: true, MaxAge: maxAge,
	}).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}

// headerOnly is a http.ResponseWriter that keeps the header.
type headerOnly http.Header

func (h headerOnly) Header() http.Header         { return http.Header(h) }
func (h headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h headerOnly) WriteHeader(int)             {}

// handlings returns a function that asks a handler the same questions.
func handlings(handler http.Handler, list []policy.Request) func(int) {
	requests := make([]*http.Request, len(list))
	for i, r := range list {
		requests[i] = &http.Request{Method: r.Method, Host: r.Authority, Header: http.Header{"Origin": {r.Origin}}}
		if r.RequestMethod != "" {
			requests[i].Header["Access-Control-Request-Method"] = []string{r.RequestMethod}
			requests[i].Header["Access-Control-Request-Headers"] = []string{r.RequestHeaders}
		}
	}
	return func(n int) {
		w := headerOnly{}
		for i := range n {
			clear(w)
			handler.ServeHTTP(w, requests[i%len(requests)])
		}
		sink(len(w))
	}
}

// The sizes of hostile Access-Control-Request-Headers that are compared.
const smallHostile, bigHostile = 1 << 10, 64 << 10

// hostiles are the texts that such a header is filled with.
func hostiles() []string { return []string{",", " ", "a", "x-a,", "a, \t"} }

func hostileCalls() ([]call, error) {
	set, err := compile(benchSpec([]string{"https://app.example.com"}))
	var calls []call
	for _, fill := range hostiles() {
		for _, size := range []int{smallHostile, bigHostile} {
			list := preflightsFrom([]string{"https://app.example.com"})[:1]
			list[0].RequestHeaders = strings.Repeat(fill, size/len(fill))
			calls = append(calls, call{caseName("hostile", size, fill, ours), decisions(set, list)})
		}
	}
	return calls, err
}
