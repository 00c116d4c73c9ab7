package envoyimport

import (
	"cmp"
	"slices"

	"github.com/corsgate/corsgate/envoy/importer/fields"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

// share takes hosts away from virtual hosts that another one has, in another listener or scope
// or on another port: policies know none of these. The one that allows something keeps them.
func (r *reader) share(hosts []*host) {
	slices.SortStableFunc(hosts, func(a, b *host) int { return cmp.Compare(len(b.allowing()), len(a.allowing())) })
	for _, h := range hosts {
		if !h.Exists() {
			continue // a part that may be of any of them
		}
		h.scopes = slices.DeleteFunc(h.scopes, func(s scope) bool { return s.every() && r.isTaken("", h) })
		for i, s := range h.scopes {
			if s.condition == nil {
				h.scopes[i].hosts = slices.DeleteFunc(slices.Clone(s.hosts), func(name string) bool { return r.isTaken(name, h) })
			}
		}
		h.scopes = slices.DeleteFunc(h.scopes, func(s scope) bool { return s.hosts != nil && len(s.hosts) == 0 })
	}
}

// tellWider tells of virtual hosts that allow something, if one of more hosts takes the same
// requests in another listener or scope, and answers otherwise.
func (r *reader) tellWider(hosts []*host) {
	for _, h := range hosts {
		if h.allowing() == nil || h.config == 0 {
			continue
		}
		other := slices.IndexFunc(hosts, func(o *host) bool {
			return o.config != 0 && o.config != h.config && o.takesMoreThan(h) && !answerAlike(h, o)
		})
		if other >= 0 {
			r.Findings = append(r.Findings, h.Finding(source.Decide, "the virtual host at "+hosts[other].Place().String()+
				" takes the same requests in another listener or scope, and answers otherwise: policies know none of these, and this one decides there, too", ""))
		}
	}
}

// takesMoreThan reports whether h forwards requests for more hosts, a host of the other one among
// them.
func (h *host) takesMoreThan(other *host) bool {
	return h.forwards() && slices.ContainsFunc(other.scopes, func(s scope) bool {
		return slices.ContainsFunc(s.hosts, func(name string) bool {
			return !h.names[name] && slices.ContainsFunc(h.scopes, func(wide scope) bool { return wide.every() || wide.condition == nil && fields.Cover(wide.hosts, name) })
		})
	})
}

// forwards reports whether some of h's requests go to the upstream.
func (h *host) forwards() bool {
	return slices.ContainsFunc(h.entries, func(e entry) bool { return !e.local })
}

// allowing are the first of the entries that allow something.
func (h *host) allowing() []entry {
	i := slices.IndexFunc(h.entries, func(e entry) bool { return e.cors != nil })
	if i < 0 {
		return nil
	}
	return h.entries[i : i+1]
}

// isTaken reports whether another virtual host has the host; if none has, h has it. "" is
// every host.
func (r *reader) isTaken(name string, h *host) bool {
	owner := r.owners[name]
	if owner == nil || owner == h {
		r.owners[name] = h
		return false
	}
	if owner.allowing() != nil && h.forwards() && !answerAlike(owner, h) {
		f := h.Finding(source.Decide, "the virtual host at "+owner.Place().String()+" has the same host, on another port, listener or scope: that one is read, since policies know none of these", "")
		f.Value = cmp.Or(name, "*")
		r.Findings = append(r.Findings, f)
	}
	return true
}

// answerAlike reports whether two virtual hosts answer alike.
func answerAlike(a, b *host) bool { return a.answers() == b.answers() }

func (h *host) answers() string {
	if h.answer == "" {
		h.answer = fields.Answers(h.fold())
	}
	return h.answer
}
