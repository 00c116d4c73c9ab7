package console

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/decisionlog"
	"github.com/corsgate/corsgate/server/recent"
)

// The bounds of the live view.
const (
	maxWatching  = 16  // pages at a time
	maxShown     = 200 // decisions at first
	pause        = 250 * time.Millisecond
	writeTimeout = 10 * time.Second
	quiet        = 15 * time.Second // after which a comment shows that the page is still there
)

// filter chooses decisions; what is empty chooses all.
type filter struct {
	Policy string `json:"policy,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Origin is a part of an origin.
	Origin string `json:"origin,omitempty"`
}

func newFilter(r *http.Request) filter {
	return filter{Policy: strings.TrimSpace(r.FormValue("policy")), Reason: r.FormValue("reason"), Origin: strings.TrimSpace(r.FormValue("origin"))}
}

// chooses reports whether the policy in force or in shadow, the reason of either, and the
// origin are as the filter says.
func (f filter) chooses(d *recent.Decision) bool {
	return (f.Policy == "" || f.Policy == d.Policy || f.Policy == d.ShadowPolicy) &&
		(f.Reason == "" || f.Reason == d.Reason || f.Reason == d.ShadowReason) &&
		strings.Contains(d.Origin, f.Origin)
}

// decisions are the last ones, the newest first.
type decisions struct {
	Filter filter `json:"filter"`
	// Seen counts the decisions since the start, and Kept those of them that were looked at.
	Seen uint64 `json:"seen"`
	Kept uint64 `json:"kept"`
	// Next is the place after the last decision, for /console/live/events?from=.
	Next      place    `json:"next"`
	Decisions []logged `json:"decisions"`
	Reasons   []string `json:"-"`
	PerSecond int      `json:"perSecond"`
}

// logged is a line of the decision log.
type logged struct {
	decisionlog.Entry
	line []byte
}

// MarshalJSON implements json.Marshaler: programs get the line itself, which has more.
func (l logged) MarshalJSON() ([]byte, error) { return l.line, nil }

// Try returns the address of the page that explains the request, as live.js does. It is empty
// if the line does not have all that the page needs.
func (l logged) Try() string {
	values := []string{l.Origin, l.Method, l.Host, l.RequestMethod, l.RequestHeaders, l.NamedPolicy}
	quoted := slices.ContainsFunc(values, decisionlog.IsQuoted)
	if quoted || l.Clipped || l.Upgrade != "" || l.Protocol != "" || !hasScheme(l.Origin) || !strings.HasPrefix(l.Path, "/") {
		return ""
	}
	q := url.Values{"origin": {l.Origin}, "url": {"https://" + l.Host + l.Path}, "method": {cmp.Or(l.RequestMethod, l.Method)}}
	if l.RequestHeaders != "" {
		q.Set("headers", strings.ReplaceAll(l.RequestHeaders, ",", "\n"))
	}
	if l.NamedPolicy != "" { // the host and the path choose any other
		q.Set("policy", l.NamedPolicy)
	}
	return "/console/try?" + q.Encode()
}

// Events returns the address of the decisions that come after these.
func (d decisions) Events() string {
	return "/console/live/events?" + url.Values{
		"from": {d.Next.String()}, "policy": {d.Filter.Policy}, "reason": {d.Filter.Reason}, "origin": {d.Filter.Origin},
	}.Encode()
}

// reasonWords are the words of all reasons that a decision with an Origin may have.
func reasonWords() (words []string) {
	for _, r := range policy.Reasons() {
		if r != policy.ReasonNotCORS {
			words = append(words, r.String())
		}
	}
	return words
}

func (c *Console) live(w http.ResponseWriter, r *http.Request) {
	d := decisions{Filter: newFilter(r), Decisions: []logged{}, Reasons: reasonWords(), PerSecond: recent.PerSecond}
	d.Seen, d.Kept = c.Recent.Share()
	tail := c.Recent.From(0)
	d.Next = place{tail.Next, d.Seen - d.Kept}
	for i := len(tail.Decisions) - 1; i >= 0 && len(d.Decisions) < maxShown; i-- {
		if kept := &tail.Decisions[i]; d.Filter.chooses(kept) {
			entry, _ := decisionlog.Read(kept.Line)
			d.Decisions = append(d.Decisions, logged{entry, kept.Line})
		}
	}
	c.show(w, r, http.StatusOK, "live", "Live", d)
}

// watched counts the pages that watch decisions.
type watched struct {
	mu    sync.Mutex
	now   int  // guarded by mu
	over  bool // guarded by mu
	ended chan struct{}
}

// enter counts one more page, unless there are too many, or the end has come.
func (w *watched) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || w.now == maxWatching {
		return false
	}
	w.now++
	return true
}

func (w *watched) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now--
}

// end ends all pages.
func (w *watched) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.over = true
		close(w.ended)
	}
}

// events sends decisions as they come, as server-sent events (HTML,
// #server-sent-events). A page that does not read in time misses some, and is told so.
func (c *Console) events(w http.ResponseWriter, r *http.Request) {
	if !c.watched.enter() {
		c.fail(w, r, http.StatusServiceUnavailable, "Too many pages watch already: close some.")
		return
	}
	defer c.watched.leave()
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	s := stream{out: w, control: http.NewResponseController(w), recent: c.Recent, filter: newFilter(r), place: placeIn(r, c.Recent)}
	s.run(r.Context(), c.watched.ended)
}

// place is how far a page is: how many decisions it has passed that were kept, and of how
// many that were not it was told. As a text, it is the id of an event.
type place struct{ kept, left uint64 }

func (p place) String() string { return fmt.Sprintf("%d.%d", p.kept, p.left) }

// MarshalText implements encoding.TextMarshaler.
func (p place) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// placeIn returns where a page goes on: after the last event that it got, or where it was
// made, or at the end. A place that is not yet there is one of a process before this one, all
// of whose decisions are new to the page.
func placeIn(r *http.Request, ds *recent.Decisions) place {
	seen, kept := ds.Share()
	now := place{kept, seen - kept}
	for _, text := range []string{r.Header.Get("Last-Event-ID"), r.FormValue("from")} {
		p, ok := parsePlace(text, now.left)
		switch {
		case !ok:
		case p.kept > now.kept || p.left > now.left:
			return place{}
		default:
			return p
		}
	}
	return now
}

// parsePlace reads a place. Without the second number it is told of none before now that was
// not kept.
func parsePlace(text string, left uint64) (p place, ok bool) {
	kept, rest, both := strings.Cut(text, ".")
	p.left = left
	var err error
	if p.kept, err = strconv.ParseUint(kept, 10, 64); err == nil && both {
		p.left, err = strconv.ParseUint(rest, 10, 64)
	}
	return p, err == nil
}

// stream is what one page gets.
type stream struct {
	out     http.ResponseWriter
	control *http.ResponseController
	recent  *recent.Decisions
	filter  filter
	place   place
}

// run sends events until the page is gone, or the service ends.
func (s *stream) run(ctx context.Context, ended <-chan struct{}) {
	tick := time.NewTicker(1 + rand.N(pause)) //nolint:gosec // spreads the writes of pages that were opened together; it need not be secret
	defer tick.Stop()
	last := time.Time{}
	for {
		text := s.next()
		if text == "" && time.Since(last) > quiet {
			text = ": still there\n" + s.tell(0, 0)
		}
		if text != "" {
			last = time.Now()
			if !s.send(text) {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-tick.C:
			tick.Reset(pause)
		}
	}
}

// next returns the events that came since the last time. The id of each is the place after
// it, and that of the last the place of s, so that a page that was away goes on there.
func (s *stream) next() string {
	var b strings.Builder
	tail := s.recent.From(s.place.kept)
	s.place.kept = tail.Next - uint64(len(tail.Decisions))
	if tail.Lost > 0 {
		b.WriteString(s.tell(0, tail.Lost))
	}
	passed := false // whether the page does not know of the last decision
	for i := range tail.Decisions {
		s.place.kept++
		d := &tail.Decisions[i]
		if passed = !s.filter.chooses(d); !passed {
			fmt.Fprintf(&b, "id: %s\ndata: %s\n", s.place, d.Line)
		}
	}
	seen, kept := s.recent.Share()
	left := seen - kept
	if sampled := left - s.place.left; sampled > 0 || passed {
		s.place.left = left
		b.WriteString(s.tell(sampled, 0))
	}
	return b.String()
}

// tell returns the event that says how many decisions were left out, and missed.
func (s *stream) tell(sampled, missed uint64) string {
	return fmt.Sprintf("id: %s\nevent: left\ndata: {\"sampled\": %d, \"missed\": %d}\n\n", s.place, sampled, missed)
}

// send reports whether the page is still there.
func (s *stream) send(text string) bool {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return false
	}
	if _, err := s.out.Write([]byte(text)); err != nil {
		return false
	}
	return s.control.Flush() == nil
}
