package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/html"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/admin/console"
	"github.com/corsgate/corsgate/server/decisionlog"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/recent"
	"github.com/corsgate/corsgate/server/servertest"
)

func TestLiveShowsTheLastDecisions(t *testing.T) {
	l := newLab(t, specs...)
	l.decide(get("https://app.test", "api.test", "/v1/a?secret"))
	l.decide(get("https://evil.test", "closed.test", "/b"))
	text := l.page(t, "/console/live")
	wants(t, text, "Without JavaScript the list stays as it is", "2, of which 2 were looked at", "request_allowed in shadow request_origin_denied api https://app.test GET api.test/v1/a")
	if strings.Index(text, "closed.test/b") > strings.Index(text, "api.test/v1/a") || strings.Contains(text, "secret") {
		t.Errorf("the newest is not the first, or a query is shown:\n%s", text)
	}
	for query, want := range map[string]string{
		"": "/b /v1/a", "?policy=api": "/v1/a", "?policy=next": "/v1/a", "?reason=request_blocked": "/b", "?origin=evil": "/b", "?origin=evil&policy=api": "",
	} {
		var d struct{ Decisions []decisionlog.Entry }
		l.json(t, "/console/live"+query, &d)
		var paths []string
		for _, e := range d.Decisions {
			paths = append(paths, e.Path)
		}
		if got := strings.Join(paths, " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

// linksOf returns the addresses of a page's links that begin so.
func linksOf(t *testing.T, body, beginning string) (links []string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "href" && strings.HasPrefix(a.Val, beginning) {
				links = append(links, a.Val)
			}
		}
	}
	return links
}

func TestLiveLeadsToThePolicyAndToAnExplanation(t *testing.T) {
	for name, c := range map[string]struct {
		r    policy.Request
		want string // of the explanation; empty if there is no link
	}{
		"a request":         {get("https://evil.test", "closed.test", "/b"), "Blocked : GET https://closed.test/b from https://evil.test"},
		"one of nobody":     {get("null", "closed.test", "/b"), "Blocked : GET https://closed.test/b from null"},
		"a preflight":       {policy.Request{Method: "OPTIONS", Authority: "api.test", Path: "/v1", Origin: "https://app.test", RequestMethod: "PUT", RequestHeaders: "x-a,x-b"}, `allowHeaders: [..., "x-a", "x-b"]`},
		"a named policy":    {policy.Request{Policy: "closed", Method: "GET", Authority: "api.test", Path: "/v1", Origin: "https://evil.test"}, "Policy closed"},
		"a clipped path":    {get("https://evil.test", "closed.test", "/"+strings.Repeat("a", 1000)), ""},
		"a quoted origin":   {get("https://\xff", "closed.test", "/"), ""},
		"a quoted path":     {get("https://evil.test", "closed.test", "/\xff"), ""},
		"no path":           {policy.Request{Method: "OPTIONS", Authority: "closed.test", Path: "*", Origin: "https://evil.test"}, ""},
		"an origin of none": {get("evil.test", "closed.test", "/"), ""},
		"a WebSocket":       {policy.Request{Method: "GET", Authority: "closed.test", Path: "/", Origin: "https://evil.test", Upgrade: "websocket"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, specs...)
			l.decide(c.r)
			_, body := l.ask(t, "GET", "/console/live", "", "Accept: text/html")
			if policies := linksOf(t, body, "/console/policies/"); len(policies) != 1 || len(l.page(t, policies[0])) == 0 {
				t.Errorf("the policies are %q", policies)
			}
			links := linksOf(t, body, "/console/try?")
			switch {
			case len(links) != 0 && c.want == "":
				t.Errorf("it can be tried: %q", links)
			case c.want != "" && len(links) != 1:
				t.Errorf("the explanations are %q", links)
			case c.want != "":
				wants(t, l.page(t, links[0]), c.want)
			}
		})
	}
}

func TestTheJSONOfADecisionIsItsLine(t *testing.T) {
	l := newLab(t, specs...)
	r := get("https://app.test", "api.test", "/v1")
	r.Route = "to-api"
	l.decide(r)
	var d struct{ Decisions []map[string]any }
	l.json(t, "/console/live", &d)
	var want map[string]any
	if err := json.Unmarshal(l.recent.From(0).Decisions[0].Line, &want); err != nil || want["route"] != "to-api" || want["shadow_differences"] == nil {
		t.Fatalf("%v, %v", want, err)
	}
	if len(d.Decisions) != 1 || !reflect.DeepEqual(d.Decisions[0], want) {
		t.Errorf("%v, want %v", d.Decisions, want)
	}
}

// watch returns the lines of the events from the end on.
func watch(t *testing.T, address string, headers ...string) (lines chan string, leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %s", resp.StatusCode, resp.Header)
	}
	lines = make(chan string, 1000)
	go func() {
		defer resp.Body.Close()
		defer close(lines)
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines, cancel
}

// until reads lines up to one that has this, and returns all of them.
func until(t *testing.T, lines chan string, part string) (read string) {
	t.Helper()
	patience := time.After(servertest.Patience)
	for {
		select {
		case line, ok := <-lines:
			if read += line + "\n"; strings.Contains(line, part) {
				return read
			}
			if !ok {
				t.Fatalf("it ended before %q:\n%s", part, read)
			}
		case <-patience:
			t.Fatalf("no %q came:\n%s", part, read)
		}
	}
}

func TestEventsAreDecisionsThatTheFilterChooses(t *testing.T) {
	l := newLab(t, specs...)
	l.decide(get("https://app.test", "closed.test", "/before"))
	lines, _ := watch(t, l.URL+"/console/live/events?policy=closed")
	until(t, lines, "still there")
	l.decide(get("https://app.test", "public.test", "/another"))
	l.decide(get("https://app.test", "closed.test", "/after"))
	read := until(t, lines, "/after")
	if strings.Contains(read, "/before") || strings.Contains(read, "/another") || !strings.Contains(read, `data: {"time":"`) {
		t.Errorf("got\n%s", read)
	}
	lines, _ = watch(t, l.URL+"/console/live/events?from=1")
	if read := until(t, lines, "/after"); !strings.Contains(read, "/another") || strings.Contains(read, "/before") || !strings.Contains(read, "id: 3.0") {
		t.Errorf("from the second on\n%s", read)
	}
	lines, _ = watch(t, l.URL+"/console/live/events?from=0", "Last-Event-ID: 2.0")
	if read := until(t, lines, "/after"); strings.Contains(read, "/another") {
		t.Errorf("after it was away\n%s", read)
	}
}

func TestEventsSayHowManyDecisionsAreLeftOut(t *testing.T) {
	set := newLab(t, specs...).set
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, set)
		p, leave := s.watch(t, "")
		s.decideAtOnce(t, 10*recent.PerSecond, get("https://app.test", "closed.test", "/flood"))
		time.Sleep(time.Second)
		leave()
		if paths, sampled, missed, _ := p.read(t); len(paths) != recent.PerSecond || sampled != 9*recent.PerSecond || missed != 0 {
			t.Errorf("%d decisions, %d left out and %d missed", len(paths), sampled, missed)
		}
	})
}

func TestAFewPagesWatchAndLeave(t *testing.T) {
	l := newLab(t, specs...)
	var leave []func()
	for range 16 {
		lines, cancel := watch(t, l.URL+"/console/live/events")
		until(t, lines, "still there")
		leave = append(leave, cancel)
	}
	if resp, body := l.ask(t, "GET", "/console/live/events", ""); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "Too many pages") {
		t.Errorf("one too many: %d", resp.StatusCode)
	}
	leave[0]()
	servertest.Await(t, "a place that is free", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, _ := http.NewRequestWithContext(ctx, "GET", l.URL+"/console/live/events", nil)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// TestEventsOutliveTheTimeoutsOfTheListener has timeouts that are over at once.
func TestEventsOutliveTheTimeoutsOfTheListener(t *testing.T) {
	ds := &recent.Decisions{}
	con := console.New(console.Config{Recent: ds, Status: func() live.Status { return live.Status{} }, Counts: noCounts})
	stop := servertest.Run(t, con.Run)
	s := httptest.NewUnstartedServer(con)
	s.Config.ReadTimeout, s.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	s.Start()
	t.Cleanup(s.Close)
	lines, _ := watch(t, s.URL+"/console/live/events")
	until(t, lines, "still there")
	time.Sleep(300 * time.Millisecond)
	l := newLab(t, specs...)
	r := get("https://app.test", "closed.test", "/late")
	d := l.set.Decide(&r)
	ds.Observe(t.Context(), &r, &d)
	until(t, lines, "/late")
	stop()
	for range lines { // until the service ends it
	}
}

// reader is a page that reads what it gets.
type reader struct {
	header http.Header
	mu     sync.Mutex
	text   strings.Builder // guarded by mu
}

func (p *reader) Header() http.Header              { return p.header }
func (p *reader) WriteHeader(int)                  {}
func (p *reader) SetWriteDeadline(time.Time) error { return nil }
func (p *reader) Flush()                           {}

func (p *reader) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// read says what the page got: the paths of decisions, how many it was told were left out and
// missed, and the last id.
func (p *reader) read(t *testing.T) (paths []string, sampled, missed uint64, id string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for line := range strings.Lines(p.text.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "id":
			id = value
		case "data":
			var d struct {
				Path            string
				Sampled, Missed uint64
			}
			if err := json.Unmarshal([]byte(value), &d); err != nil {
				t.Error(err)
			}
			if d.Path != "" {
				paths = append(paths, d.Path)
			}
			sampled, missed = sampled+d.Sampled, missed+d.Missed
		}
	}
	return paths, sampled, missed, id
}

// service is a console in a test whose time is not real.
type service struct {
	set    *policy.Set
	recent *recent.Decisions
	*console.Console
}

func newService(t *testing.T, set *policy.Set) service {
	t.Helper()
	s := service{set: set, recent: &recent.Decisions{}}
	s.Console = console.New(console.Config{Recent: s.recent, Status: func() live.Status { return live.Status{} }, Counts: noCounts})
	servertest.Run(t, s.recent.Run)
	return s
}

// watch opens the page, and returns what closes it.
func (s service) watch(t *testing.T, query string) (p *reader, leave func()) {
	t.Helper()
	p = &reader{header: http.Header{}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.ServeHTTP(p, httptest.NewRequestWithContext(ctx, http.MethodGet, "/console/live/events?"+query, nil))
	}()
	time.Sleep(time.Second)
	return p, func() { cancel(); <-ended }
}

// decide has a request decided n times, as slowly as it takes to keep all.
func (s service) decide(t *testing.T, n int, r policy.Request) {
	t.Helper()
	for range n {
		s.decideAtOnce(t, 1, r)
		time.Sleep(time.Second / (recent.PerSecond / 2))
	}
	time.Sleep(time.Second) // until pages were told
}

func (s service) decideAtOnce(t *testing.T, n int, r policy.Request) {
	t.Helper()
	synctest.Wait() // for a part of the share that is given out now
	for range n {
		d := s.set.Decide(&r)
		s.recent.Observe(t.Context(), &r, &d)
	}
}

// TestAPageThatWasAwayGoesOnWhereItWas has a page that shows few of the decisions be away.
func TestAPageThatWasAwayGoesOnWhereItWas(t *testing.T) {
	set := newLab(t, specs...).set
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, set)
		p, leave := s.watch(t, "policy=closed")
		s.decide(t, recent.Most, get("https://app.test", "public.test", "/other"))
		leave()
		_, _, _, id := p.read(t)
		s.decide(t, 10, get("https://app.test", "public.test", "/other"))
		s.decide(t, 1, get("https://app.test", "closed.test", "/away"))
		p, leave = s.watch(t, "policy=closed&from="+id)
		s.decide(t, 1, get("https://app.test", "closed.test", "/back"))
		if paths, sampled, missed, _ := p.read(t); strings.Join(paths, " ") != "/away /back" || sampled != 0 || missed != 0 {
			t.Errorf("%s, %d left out and %d missed", paths, sampled, missed)
		}
		leave()
		_, _, _, id = p.read(t)

		s.decideAtOnce(t, 10*recent.PerSecond, get("https://app.test", "closed.test", "/flood"))
		time.Sleep(time.Second)
		s.decide(t, recent.Most, get("https://app.test", "closed.test", "/late"))
		p, leave = s.watch(t, "from="+id)
		leave()
		seen, kept := s.recent.Share()
		if paths, sampled, missed, _ := p.read(t); len(paths) != recent.Most || sampled != seen-kept || missed != recent.PerSecond {
			t.Errorf("%d decisions, %d of %d left out and %d missed", len(paths), sampled, seen-kept, missed)
		}
		_, _, _, id = p.read(t)

		s = newService(t, set)
		s.decide(t, 1, get("https://app.test", "closed.test", "/new"))
		p, leave = s.watch(t, "from="+id)
		leave()
		if paths, _, missed, _ := p.read(t); strings.Join(paths, " ") != "/new" || missed != 0 {
			t.Errorf("of a new process: %s, %d missed", paths, missed)
		}
	})
}

func TestWhoAsksForTheHeadOfTheEventsDoesNotWatch(t *testing.T) {
	set := newLab(t, specs...).set
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, set)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p := &reader{header: http.Header{}}
		s.ServeHTTP(p, httptest.NewRequestWithContext(ctx, http.MethodHead, "/console/live/events", nil))
		if ctx.Err() != nil || p.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%v, %s", ctx.Err(), p.header)
		}
	})
}

// stuck is the connection of a page that reads nothing: a write blocks until it is freed.
type stuck struct {
	header http.Header
	freed  chan struct{}
}

func (s *stuck) Header() http.Header              { return s.header }
func (s *stuck) WriteHeader(int)                  {}
func (s *stuck) SetWriteDeadline(time.Time) error { return nil }

func (s *stuck) Write([]byte) (int, error) {
	<-s.freed
	return 0, io.ErrClosedPipe
}

// TestAPageThatReadsNothingHoldsUpNobody has as many pages as may watch be stuck in a write.
// If a decision waited for one of them, the test would not end.
func TestAPageThatReadsNothingHoldsUpNobody(t *testing.T) {
	set := newLab(t, specs...).set
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, set)
		freed := make(chan struct{})
		var pages sync.WaitGroup
		for range 16 {
			pages.Go(func() {
				s.ServeHTTP(&stuck{header: http.Header{}, freed: freed}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/live/events", nil))
			})
		}
		synctest.Wait() // until each is stuck
		long := get("https://"+strings.Repeat("a", 1000)+".test", "closed.test", "/")
		s.decide(t, 2*recent.Most, long)
		before := heap()
		s.decide(t, 20*recent.Most, long)
		if more := heap() - before; more > 1<<20 {
			t.Errorf("%d decisions more take %d bytes more", 20*recent.Most, more)
		}
		if _, kept := s.recent.Share(); kept != 22*recent.Most {
			t.Errorf("%d decisions were kept", kept)
		}
		close(freed)
		pages.Wait()
	})
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
