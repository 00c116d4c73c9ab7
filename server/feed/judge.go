package feed

import (
	"context"
	"slices"
	"sync"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
)

// takeEntry decides an entry again, and lets the observer see the decision that Envoy
// took.
func (s *Server) takeEntry(ctx context.Context, node, body string) Outcome {
	e, err := readEntry(body)
	if err != nil {
		s.unheard.Tell(s.log().Warn, "a decision that Envoy took is refused: it is not an entry of the feed", "node", shown(node), "error", printable.Text(err.Error()))
		return Refused
	}
	set, known := s.kept.of(e.set)
	own := set.Decide(&e.request)
	outcome := Disagreed
	switch {
	case !known || e.clipped:
		outcome = Unverifiable
	case e.agrees(&own):
		outcome = Agreed
	default:
		s.tell(node, e, &own)
	}
	taken := e.decision(&own, s.kept.names(e.policy))
	s.Observer.Observe(ctx, &e.request, &taken)
	return outcome
}

// agrees reports whether the service decides as Envoy did. Envoys do not decide by
// themselves about requests that a policy in shadow covers.
func (e *entry) agrees(own *policy.Decision) bool {
	return own.Policy == e.policy && own.Reason == e.reason && own.Shadow.Answer == nil
}

// decision returns what Envoy decided; own is what the service decides. It leaves out the
// name of a policy that no set has, since names become labels.
func (e *entry) decision(own *policy.Decision, isPolicy bool) policy.Decision {
	d := policy.Decision{Verdict: own.Verdict, Preflight: own.Preflight}
	d.Policy, d.Reason = "", e.reason
	if isPolicy {
		d.Policy = e.policy
	}
	return d
}

// tell logs a disagreement.
func (s *Server) tell(node string, e *entry, own *policy.Decision) {
	r := &e.request
	s.disagreeing.Tell(s.log().Error, "Envoy has not decided as the policies say, please report it",
		"node", shown(node), "set", e.set,
		"envoy_policy", shown(e.policy), "envoy_reason", e.reason.String(), "policy", own.Policy, "reason", own.Reason.String(),
		"shadow_policy", own.Shadow.Policy, "host", shown(r.Authority), "path", shown(r.Path), "method", shown(r.Method), "origin", shown(r.Origin),
		"request_method", shown(r.RequestMethod), "request_headers", shown(r.RequestHeaders), "request_private_network", shown(r.RequestPrivateNetwork),
		"sec_fetch_site", shown(r.SecFetchSite), "upgrade", shown(r.Upgrade), "protocol", shown(r.Protocol))
}

// shown is a value as the log shows it.
func shown(value string) string { return printable.Value(printable.Clip(value)) }

// kept are the last sets, the one that serves first.
type kept struct {
	mu   sync.Mutex
	sets []*keptSet // replaced, never changed
	next *keptSet   // prepared last; nil before the first
}

// keptSet is a set with the stamps of what it is compiled into.
type keptSet struct {
	*policy.Set
	stamps map[string]bool // replaced, under the lock of kept
}

// prepare makes ready for a set to serve.
func (k *kept) prepare(set *policy.Set) *keptSet {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next = &keptSet{Set: set}
	return k.next
}

// add makes a set the one that serves.
func (k *kept) add(set *keptSet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(k.sets), func(s *keptSet) bool { return s.Hash() == set.Hash() })
	k.sets = append([]*keptSet{set}, others[:min(len(others), KeptSets-1)]...)
}

// stamp notes the stamps of a set.
func (k *kept) stamp(set *policy.Set, stamps map[string]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range append(slices.Clone(k.sets), k.next) {
		if s != nil && s.Set == set {
			s.stamps = stamps
		}
	}
}

func (k *kept) all() []*keptSet {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sets
}

// of returns the newest set with a stamp or hash. If none is known, it returns the set
// that serves.
func (k *kept) of(stamp string) (set *policy.Set, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.sets, func(s *keptSet) bool { return s.stamps[stamp] || s.Hash() == stamp })
	return k.sets[max(i, 0)].Set, i >= 0
}

// names reports whether one of the sets has a policy of that name.
func (k *kept) names(policyName string) bool {
	return slices.ContainsFunc(k.all(), func(s *keptSet) bool {
		_, ok := s.Policy(policyName)
		return ok
	})
}
