package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
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

// What a probe sends that no policy has. Nobody can register a name in .invalid (RFC 6761,
// section 6.4).
const (
	stranger = "https://corsgate-doctor.invalid"
	label    = "corsgate-doctor"
	noPage   = "/corsgate-doctor/no-such-page"
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
	r.Add(found[:min(len(found), maxSame)]...)
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

// requests are those of each policy, the first ones of all of them first.
func (p Prober) requests() (list []policy.Request) {
	var each [][]policy.Request
	for _, s := range p.Policies.Specs() {
		if s.Mode == "" || s.Mode == policy.ModeEnforce {
			each = append(each, p.requestsOf(s))
		}
	}
	for i := 0; len(list) < maxProbes; i++ {
		before := len(list)
		for _, of := range each {
			if i < len(of) && len(list) < maxProbes {
				list = append(list, of[i])
			}
		}
		if len(list) == before {
			break
		}
	}
	return list
}

// requestsOf are the requests about one policy. What they get is what Decide says, also if
// another policy takes them.
func (p Prober) requestsOf(s policy.Spec) (list []policy.Request) {
	add := func(method, host, path, origin string) {
		q := policy.Request{Method: method, Authority: host, Path: path, Origin: origin, SecFetchSite: "cross-site"}
		if method == http.MethodOptions {
			q.RequestMethod, q.RequestHeaders = first(s.CORS.AllowMethods, http.MethodGet), first(s.CORS.AllowHeaders, "")
		}
		list = append(list, q)
	}
	paths := sample(s.Paths, "/")
	origins := append(sample(samples(s.CORS.AllowOrigins), stranger), stranger)
	for h, host := range p.hosts(s) {
		for o, origin := range slices.Compact(origins) {
			add(http.MethodOptions, host, paths[0], origin)
			add(http.MethodGet, host, paths[0], origin)
			if with := p.withPort(host); with != "" && h+o == 0 {
				add(http.MethodOptions, with, paths[0], origin)
			}
		}
		add(http.MethodGet, host, paths[0], "")
		add(http.MethodHead, host, paths[len(paths)-1], origins[0])
		add(http.MethodGet, host, strings.TrimSuffix(paths[0], "/")+noPage, origins[0])
		if p.Unsafe && s.DeniedRequests != "" && s.DeniedRequests != policy.DeniedPass {
			add(http.MethodPost, host, paths[0], stranger)
		}
	}
	return list
}

// sample returns the first of a list, or the text for an empty one.
func sample(list []string, otherwise string) []string {
	if len(list) == 0 {
		return []string{otherwise}
	}
	return slices.Clone(list[:min(len(list), maxSamples)])
}

// first returns the first of a list that is not a star, or the other text.
func first(list []string, otherwise string) string {
	for _, one := range list {
		if one != "*" {
			return one
		}
	}
	return otherwise
}

// hosts are those that requests about a policy are for.
func (p Prober) hosts(s policy.Spec) []string {
	list := sample(s.Hosts, p.URL.Host)
	for i := range list {
		list[i] = strings.Replace(list[i], "*", label, 1)
	}
	return list
}

// withPort returns a host as browsers write it if they ask this listener themselves (RFC
// 9110, section 7.2), or "" if that has no port.
func (p Prober) withPort(host string) string {
	if p.URL.Port() == "" || p.URL.Port() == defaultPorts[p.URL.Scheme] || strings.Contains(host, ":") {
		return ""
	}
	return host + ":" + p.URL.Port()
}

// hasPort reports whether a request is for what withPort returns.
func (p Prober) hasPort(q policy.Request) bool {
	host, _, found := strings.Cut(q.Authority, ":")
	return found && q.Authority != p.URL.Host && q.Authority == p.withPort(host)
}

// defaultPorts are those that URLs leave out, by their scheme.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

// samples are origins that the patterns likely match.
func samples(patterns []string) (origins []string) {
	for _, one := range patterns {
		one = strings.Replace(one, ":*", ":3000", 1)
		switch {
		case one == "*":
			one = "https://" + label + ".example"
		case strings.HasSuffix(one, "://*"), strings.Contains(one, "://*:"):
			one = strings.Replace(one, "*", label+".example", 1)
		default:
			one = strings.Replace(one, "*", label, 1)
		}
		origins = append(origins, one)
	}
	return origins
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

// compare holds an answer to what the policies say.
func (p Prober) compare(q policy.Request, got respond.Response) []Finding {
	d := p.Policies.Decide(&q)
	want := respond.To(d, respond.Response{Status: got.Status, Headers: respond.Headers{}})
	switch {
	case d.Answer.Action == policy.Pass:
		return nil // the answer is the upstream's
	case d.Answer.Apply == policy.ApplyDefer && got.Headers.Joined(allowOrigin) != "":
		return nil // it may be the upstream's
	case q.Origin == "" && len(corsOf(got.Headers)) == 0 && varies(got.Headers):
		return nil // so Envoy answers if it does not ask, also for a public policy
	}
	differences, seen := differ(got, want)
	if differences == nil {
		return nil
	}
	level, of := policy.Error, "for the origin "+q.Origin
	if p.hasPort(q) {
		return []Finding{{Code: codeProbePort, Level: policy.Note, Place: p.place(q), What: "with the port in the host, " + of + ": " + strings.Join(differences, "; "),
			Seen:  "browsers write the port, if they ask this listener themselves and no load balancer is in between: " + seen,
			Write: "for that, --port " + p.URL.Port() + " where policies are compiled, and ignore_port_in_host_matching: true beside virtual_hosts"}}
	}
	if q.Origin == "" {
		level, of, seen = policy.Warning, "for a request without an Origin", "a cache may hand this answer to a page, which then reads what it should not, or is blocked"
	}
	return []Finding{{Code: codeProbe, Level: level, Place: p.place(q), What: of + ": " + strings.Join(differences, "; "), Seen: seen,
		Write: fmt.Sprintf("policy %s says %s: the findings above may say why Envoy does not answer so; \"corsgate explain\" says what it should answer", d.Policy, d.Reason)}}
}

// differ returns in what an answer differs from the right one, and what a user sees of the
// first difference.
func differ(got, want respond.Response) (differences []string, seen string) {
	add := func(effect, format string, args ...any) {
		differences, seen = append(differences, fmt.Sprintf(format, args...)), cmp.Or(seen, effect)
	}
	if got.Status != want.Status {
		add(statusSeen(got.Status, want.Status), "the status is %d, and should be %d", got.Status, want.Status)
	}
	have, should := corsOf(got.Headers), corsOf(want.Headers)
	for _, name := range originFirst(should) {
		if _, there := have[name]; !there {
			add(missingSeen(name), "%s is not there, and should be %q", name, should[name])
		}
	}
	for _, name := range names(have) {
		switch wanted, there := should[name]; {
		case !there:
			add("somebody else has written it, such as the upstream: a page may read what the policy does not let it", "%s is there, and should not be", name)
		case have[name] != wanted:
			add(wrongSeen(name), "%s is %.200q, and should be %q", name, have[name], wanted)
		}
	}
	if varies(want.Headers) && !varies(got.Headers) {
		add("a cache may hand this answer to a page of another origin, which browsers then block", "Vary has no Origin")
	}
	return differences, cmp.Or(seen, takenSeen(got.Status, want.Status))
}

// takenSeen says what a user sees of another ok status with the right headers.
func takenSeen(status, wanted int) string {
	if status == http.StatusOK && wanted == http.StatusNoContent {
		return "browsers take it, too: a compiled filter answers so if no route takes the request"
	}
	return "browsers take it, too, but something else answers than corsgate"
}

// originFirst returns the names of headers, the one first without which no page gets anything.
func originFirst(headers map[string]string) []string {
	list := names(headers)
	slices.SortStableFunc(list, func(a, b string) int {
		return cmp.Compare(strings.TrimPrefix(a, allowOrigin), strings.TrimPrefix(b, allowOrigin))
	})
	return list
}

// missingSeen says what a user sees if a header is not there that the policy has.
func missingSeen(name string) string {
	switch name {
	case corsPrefix + "max-age", corsPrefix + "expose-headers":
		return wrongSeen(name)
	case corsPrefix + "allow-credentials":
		return "browsers block requests with cookies or other credentials, which the policy allows"
	case corsPrefix + "allow-methods", corsPrefix + "allow-headers":
		return "browsers block requests with methods or headers that the policy allows"
	}
	return "browsers block what the policy allows"
}

// wrongSeen says what a user sees if a header has another value. Two of them only bound how
// long a preflight lasts and what a page may read (Fetch, section "HTTP responses").
func wrongSeen(name string) string {
	switch name {
	case corsPrefix + "max-age":
		return "browsers send preflights more often or more seldom than the policy says"
	case corsPrefix + "expose-headers":
		return "pages can read other headers of answers than the policy says"
	}
	return "browsers compare it with the page's origin or request, and may block or allow wrongly"
}

// statusSeen says what a user sees of a wrong status, or "" if that depends on the headers:
// browsers take each ok status for a preflight's answer (Fetch, section "CORS-preflight
// fetch").
func statusSeen(status, wanted int) string {
	switch {
	case isOK(status) && isOK(wanted):
		return ""
	case slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusFound}, status):
		return "something refuses before corsgate answers, or Envoy has other policies; browsers block"
	case status == http.StatusNotFound:
		return "no route takes the request, or something else answers than corsgate"
	}
	return "something else answers than corsgate"
}

// isOK reports whether a status is an ok status (Fetch, section "Statuses").
func isOK(status int) bool { return 200 <= status && status <= 299 }

// corsOf returns the CORS headers, the lines of one name joined.
func corsOf(h respond.Headers) map[string]string {
	found := map[string]string{}
	for name := range maps.Keys(h) {
		if isCORS(name) {
			found[name] = h.Joined(name)
		}
	}
	return found
}

// varies reports whether Vary keeps the answers to origins apart (Fetch, section "CORS
// protocol and HTTP caches").
func varies(h respond.Headers) bool {
	return slices.ContainsFunc(h.Members("vary"), func(member string) bool { return member == "*" || strings.EqualFold(member, "origin") })
}
