package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/respond"
)

// The codes of what requests find: an answer that is not what the policies say, or only if
// the host has a port; a request without an answer, and too little time for all of them.
const (
	codeProbe           = "probe"
	codeProbePort       = "probe-port"
	codeProbeFailed     = "probe-failed"
	codeProbeUnfinished = "probe-unfinished"
)

// ProbeTimeout is how long a probe may take if its Prober does not say it.
const ProbeTimeout = time.Minute

// The bounds of a probe.
const (
	maxProbes     = 300
	maxAtOnce     = 8
	maxSamples    = 2 // hosts, paths and origins of a policy, each
	dialTimeout   = 10 * time.Second
	maxUnanswered = 3 // requests in a row
	// A request may take a part of the whole time, so that some that hang leave time for
	// others.
	askShare = 4
)

// Prober sends requests to Envoy, and compares the answers with what policies say.
type Prober struct {
	// URL is Envoy's listener; required. Requests for every host go there.
	URL *url.URL
	// Policies are what Envoy should decide by; required.
	Policies *policy.Set
	// TLS is for a URL of https; nil means Go's defaults.
	TLS *tls.Config
	// Unsafe sends POST, too, of an origin that is not allowed.
	Unsafe bool
	// Timeout bounds all requests together; 0 means ProbeTimeout.
	Timeout time.Duration
	// Progress, if set, is called after each request, one call at a time.
	Progress func(done, all int)
}

// Probe sends the requests, some of them at once, and adds what they find. It returns when
// all have ended: answered, failed, or cut off by ctx or by the time.
func (p Prober) Probe(ctx context.Context, r *Report) {
	p.Timeout = cmp.Or(p.Timeout, ProbeTimeout)
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	s := &survey{Prober: p, all: p.requests(), end: cancel}
	s.found = make([][]Finding, len(s.all))
	var workers sync.WaitGroup
	for range maxAtOnce {
		workers.Go(func() { s.work(ctx) })
	}
	workers.Wait()
	r.Probes += s.sent
	found := append(s.unanswered(), onePort(slices.Concat(s.found...))...)
	r.add(found[:min(len(found), maxSame)]...)
}

// onePort returns findings with at most one about ports, and none if that is not because of
// the port.
func onePort(found []Finding) []Finding {
	isPort := func(f Finding) bool { return f.Code == codeProbePort }
	others := slices.DeleteFunc(slices.Clone(found), isPort)
	first := slices.IndexFunc(found, isPort)
	if first < 0 || slices.ContainsFunc(others, func(f Finding) bool { return f.Level == policy.Error }) {
		return others
	}
	if more := len(found) - len(others) - 1; more > 0 {
		found[first].What += fmt.Sprintf(" (and %d more of this kind)", more)
	}
	return append(others, found[first])
}

// survey is a probe under way.
type survey struct {
	Prober
	all []policy.Request
	end func() // ends the requests that are under way, and sends no others

	mu                   sync.Mutex
	sent, done, answered int
	found                [][]Finding // by the request
	failed, inARow       int
	first                int // of those that failed
	why                  string
	gaveUp               bool
}

// work sends requests until there are no others.
func (s *survey) work(ctx context.Context) {
	for {
		i, ok := s.next(ctx)
		if !ok {
			return
		}
		got, err := s.ask(ctx, s.all[i])
		s.note(i, got, err)
	}
}

func (s *survey) next(ctx context.Context) (i int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || s.sent == len(s.all) {
		return 0, false
	}
	s.sent++
	return s.sent - 1, true
}

// note notes what a request has got. One that has taken too long has not failed.
func (s *survey) note(i int, got respond.Response, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
	switch {
	case err == nil:
		s.answered, s.inARow = s.answered+1, 0
		s.found[i] = s.compare(s.all[i], got)
	case errors.Is(err, errNoTime):
	default:
		if s.failed == 0 || i < s.first {
			s.first, s.why = i, plain(err)
		}
		s.failed, s.inARow = s.failed+1, s.inARow+1
		if s.inARow == maxUnanswered {
			s.gaveUp = true
			s.end()
		}
	}
	if s.Progress != nil {
		s.Progress(s.done, len(s.all))
	}
}

// unanswered says what is not known because requests have no answer.
func (s *survey) unanswered() (list []Finding) {
	if s.failed > 0 {
		list = append(list, s.failure(s.all[s.first], "there is no answer: "+s.why))
	}
	if s.failed > 1 {
		list[0].What += fmt.Sprintf(" (and %d more of this kind)", s.failed-1)
	}
	switch {
	case s.gaveUp, s.answered+s.failed == len(s.all):
	case s.answered == 0:
		list = append(list, s.failure(s.all[0], fmt.Sprintf("none of the %d requests was answered within %v", len(s.all), s.Timeout)))
	default:
		list = append(list, Finding{Code: codeProbeUnfinished, Level: policy.Note, Place: Place{URL: s.URL.String()},
			What:  fmt.Sprintf("%d of %d requests were answered within %v, and one may take a quarter of that", s.answered, len(s.all), s.Timeout),
			Seen:  "nothing is known about the others",
			Write: fmt.Sprintf("--probe-timeout %v", 5*s.Timeout)})
	}
	return list
}

// plain returns an error without the URL, which the place has.
func plain(err error) string {
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // the client returns this one
		err = u.Err
	}
	return err.Error()
}

func (p Prober) failure(q policy.Request, what string) Finding {
	return Finding{Code: codeProbeFailed, Level: policy.Error, Place: p.place(q), What: what,
		Seen: "nothing is known about such a request", Write: "is --probe the address and the scheme of Envoy's listener? If its certificate is of an authority of your own, give that to --probe-ca"}
}

// place is the URL of a request.
func (p Prober) place(q policy.Request) Place {
	return Place{URL: q.Method + " " + p.URL.Scheme + "://" + q.Authority + q.Path}
}

// errNoTime is the error of a request that there was no time to wait for.
var errNoTime = errors.New("the time is over")

// ask sends a request to Envoy's listener, whatever its host, and follows no redirect.
func (p Prober) ask(ctx context.Context, q policy.Request) (respond.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout/askShare)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, q.Method, p.URL.Scheme+"://"+q.Authority+q.Path, nil)
	if err != nil {
		return respond.Response{}, err
	}
	for name, value := range map[string]string{
		"Origin": q.Origin, "Access-Control-Request-Method": q.RequestMethod, "Access-Control-Request-Headers": q.RequestHeaders, "Sec-Fetch-Site": q.SecFetchSite,
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := p.transport().RoundTrip(req)
	if ctx.Err() != nil {
		err = errNoTime
	}
	if err != nil {
		return respond.Response{}, err
	}
	defer resp.Body.Close()
	headers := respond.Headers{}
	for name, lines := range resp.Header {
		headers[strings.ToLower(name)] = lines
	}
	return respond.Response{Status: resp.StatusCode, Headers: headers}, nil
}

// transport connects to Envoy's listener, whatever host is asked for.
func (p Prober) transport() *http.Transport {
	address := net.JoinHostPort(p.URL.Hostname(), cmp.Or(p.URL.Port(), defaultPorts[p.URL.Scheme]))
	return &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: p.TLS, DisableCompression: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
		},
	}
}
