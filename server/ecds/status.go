package ecds

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// The bounds of what an Envoy says of itself, in bytes.
const (
	maxNode    = 256
	maxName    = 256
	maxVersion = 128
	maxRefusal = 1024
)

// clip returns the beginning of a text, without half a character at its end.
func clip(text string, most int) string { return strings.ToValidUTF8(text[:min(len(text), most)], "") }

// subscriber is what is known about one stream of an Envoy. Only the stream's goroutine
// changes it.
type subscriber struct {
	peer net.Addr // nil if it is not known

	mu    sync.Mutex // held to change it, and by other goroutines to read it
	node  string
	names []*entry
}

// entry is a resource that an Envoy is subscribed to.
type entry struct {
	name string
	// version is the last one that was sent, or that the Envoy had before. nonce is that of
	// the response with the version, until the Envoy answers.
	version, nonce string
	seen           uint64 // number of the version's generation, or 0
	acknowledged   string
	refused        *Refusal // after the acknowledged version
}

func (s *subscriber) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// answered returns what was sent with the nonce, or nil.
func (s *subscriber) answered(nonce string) *entry {
	i := slices.IndexFunc(s.names, func(e *entry) bool { return e.nonce == nonce && nonce != "" })
	if i < 0 {
		return nil
	}
	return s.names[i]
}

// entries returns a copy of the names.
func (s *subscriber) entries() []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]entry, len(s.names))
	for i, e := range s.names {
		list[i] = *e
	}
	return list
}

// State says whether an Envoy has what serves.
type State string

// The states, the worst first.
const (
	Refused State = "refused" // it has refused something, and keeps what was before
	Waiting State = "waiting" // it has not acknowledged something yet
	Current State = "current" // it has acknowledged everything
)

// States returns all states.
func States() []State { return []State{Refused, Waiting, Current} }

// Envoy is a connected Envoy.
type Envoy struct {
	// Node is the id of its node. Address is where it connects from.
	Node    string `json:"node"`
	Address string `json:"address"`
	// State is the worst state of its resources.
	State     State          `json:"state"`
	Resources []Subscription `json:"resources"`
}

// Subscription is a resource that an Envoy is subscribed to.
type Subscription struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Version is the last version that was sent. Acknowledged is the last version that the
	// Envoy has accepted.
	Version      string `json:"version,omitempty"`
	Acknowledged string `json:"acknowledged,omitempty"`
	// Refused is why it does not have Version.
	Refused *Refusal `json:"refused,omitempty"`
}

// Refusal is a version that an Envoy has refused.
type Refusal struct {
	Version string    `json:"version"`
	Error   string    `json:"error"`
	At      time.Time `json:"at"`
}

// Envoys returns the Envoys that are connected, sorted.
func (s *Server) Envoys() []Envoy {
	type connection struct {
		node string
		peer net.Addr // the same one for all streams of a connection
	}
	found := map[connection]*Envoy{}
	serving, _ := s.now()
	for _, sub := range s.all() {
		node, list := sub.status(serving)
		if len(list) == 0 {
			continue // it has not asked for anything yet
		}
		c := connection{node, sub.peer}
		if found[c] == nil {
			found[c] = &Envoy{Node: node, Address: sub.address()}
		}
		found[c].Resources = append(found[c].Resources, list...)
	}
	envoys := make([]Envoy, 0, len(found))
	for _, e := range found {
		e.sort()
		envoys = append(envoys, *e)
	}
	slices.SortFunc(envoys, func(a, b Envoy) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Address, b.Address)) })
	return envoys
}

// Count counts the Envoys in a state.
func (s *Server) Count(state State) (n int) {
	for _, e := range s.Envoys() {
		if e.State == state {
			n++
		}
	}
	return n
}

// sort sorts the resources, and sets the state.
func (e *Envoy) sort() {
	slices.SortFunc(e.Resources, func(a, b Subscription) int { return cmp.Compare(a.Name, b.Name) })
	e.State = Current
	for _, state := range []State{Waiting, Refused} {
		if slices.ContainsFunc(e.Resources, func(r Subscription) bool { return r.State == state }) {
			e.State = state
		}
	}
}

func (s *subscriber) address() string {
	if s.peer == nil {
		return ""
	}
	return s.peer.String()
}

// status returns the node's id and its resources.
func (s *subscriber) status(serving *generation) (node string, list []Subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.names {
		list = append(list, Subscription{Name: e.name, State: e.state(serving), Version: e.version, Acknowledged: e.acknowledged, Refused: e.refused})
	}
	return s.node, list
}

// state says whether the Envoy has the resource of the generation that serves.
func (e *entry) state(serving *generation) State {
	switch {
	case serving == nil, e.seen != serving.number, e.nonce != "":
		return Waiting
	case e.refused != nil:
		return Refused
	}
	return Current
}

// pollInterval is how often Await looks at the states.
const pollInterval = 20 * time.Millisecond

// Await waits until each connected Envoy has answered, or ctx has ended, and returns the
// Envoys. Before an Envoy acknowledges a filter, it gives the filter to all its workers.
// Each worker takes the filter before it reads later requests. So a request that is sent
// after Await has returned is never decided by older policies.
func (s *Server) Await(ctx context.Context) []Envoy {
	for s.anyWaits() {
		select {
		case <-ctx.Done():
			return s.Envoys()
		case <-time.After(pollInterval):
		}
	}
	return s.Envoys()
}

// anyWaits reports whether an Envoy has not acknowledged something yet.
func (s *Server) anyWaits() bool {
	serving, _ := s.now()
	return slices.ContainsFunc(s.all(), func(sub *subscriber) bool { return sub.waits(serving) })
}

func (s *subscriber) waits(serving *generation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.names, func(e *entry) bool { return e.state(serving) == Waiting })
}
