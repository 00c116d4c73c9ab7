package policy

import (
	"slices"
	"strconv"
	"strings"
)

// Differs reports whether v and w treat a request differently: in the reason
// or in anything that is sent. It is what Decision.ShadowDiffers tells.
func (v *Verdict) Differs(w *Verdict) bool {
	return v.Reason != w.Reason || !v.sendsSame(w)
}

// sendsSame reports whether v and w send the same.
func (v *Verdict) sendsSame(w *Verdict) bool {
	a, b := v.Answer, w.Answer
	if a.Action != b.Action || a.Status != b.Status || a.Apply != b.Apply {
		return false
	}
	i, j := v.sent(0), w.sent(0)
	for i < len(a.Headers) && j < len(b.Headers) {
		if h, g := a.Headers[i], b.Headers[j]; h.Name != g.Name || v.Value(h) != w.Value(g) {
			return false
		}
		i, j = v.sent(i+1), w.sent(j+1)
	}
	return i == len(a.Headers) && j == len(b.Headers)
}

// sent returns the place, from i on, of the first header that is not left out.
func (v *Verdict) sent(i int) int {
	for i < len(v.Answer.Headers) && v.Value(v.Answer.Headers[i]) == "" {
		i++
	}
	return i
}

// The words of Difference.What that are not names of headers.
const (
	DiffersReason    = "reason"
	DiffersForwarded = "forwarded" // whether the upstream sees the request
	DiffersStatus    = "status"    // empty: the upstream's
	DiffersApply     = "apply"     // how the upstream's response is edited
)

// Difference is one thing in which two verdicts differ: one of the words above,
// or a response header.
type Difference struct {
	What string `json:"what"`
	// From is what the first verdict says, and To what the second does. A header
	// that is not sent is empty.
	From string `json:"from"`
	To   string `json:"to"`
}

// Differences are all in which two verdicts differ.
type Differences []Difference

// Differences lists in what w differs from v: nothing exactly if Differs says
// no.
func (v *Verdict) Differences(w *Verdict) (list Differences) {
	add := func(what, from, to string) {
		if from != to {
			list = append(list, Difference{what, from, to})
		}
	}
	add(DiffersReason, v.Reason.String(), w.Reason.String())
	add(DiffersForwarded, strconv.FormatBool(v.forwards()), strconv.FormatBool(w.forwards()))
	add(DiffersStatus, v.status(), w.status())
	if v.forwards() && w.forwards() {
		add(DiffersApply, string(v.Answer.Apply), string(w.Answer.Apply))
	}
	for _, h := range v.Answer.Headers {
		add(h.Name, v.Value(h), w.header(h.Name))
	}
	for _, h := range w.Answer.Headers {
		if !slices.ContainsFunc(v.Answer.Headers, func(g Header) bool { return g.Name == h.Name }) {
			add(h.Name, "", w.Value(h))
		}
	}
	return list
}

func (v *Verdict) forwards() bool { return v.Answer.Action != Reply }

// status is that of a Reply, and empty for the upstream's.
func (v *Verdict) status() string {
	if v.forwards() {
		return ""
	}
	return strconv.Itoa(v.Answer.Status)
}

// header returns the value that v sends in the header of that name; empty if it
// sends none.
func (v *Verdict) header(name string) string {
	for _, h := range v.Answer.Headers {
		if h.Name == name {
			return v.Value(h)
		}
	}
	return ""
}

// String returns the differences on one line.
func (l Differences) String() string {
	texts := make([]string, len(l))
	for i, d := range l {
		texts[i] = d.String()
	}
	return strings.Join(texts, "; ")
}

// String returns the difference as "WHAT: FROM -> TO".
func (d Difference) String() string {
	return d.What + ": " + d.shown(d.From) + " -> " + d.shown(d.To)
}

// maxShown is how many bytes of a header's value are shown: it may have what a
// request asked for.
const maxShown = 256

func (d Difference) shown(value string) string {
	switch d.What {
	case DiffersReason, DiffersForwarded, DiffersApply:
		return value
	case DiffersStatus:
		if value == "" {
			return "the upstream's"
		}
		return value
	}
	if value == "" {
		return "none"
	}
	return strconv.QuoteToASCII(value[:min(len(value), maxShown)])
}
