package policy

// Differs reports whether v and w treat a request differently: in the reason
// or in anything that is sent. It is what Decision.ShadowDiffers tells.
func (v *Verdict) Differs(w *Verdict) bool {
	return v.Reason != w.Reason || !v.sendsSame(w)
}

// sendsSame reports whether v and w send the same.
func (v *Verdict) sendsSame(w *Verdict) bool {
	a, b := v.Answer, w.Answer
	if a.Action != b.Action || a.Status != b.Status || a.Apply != b.Apply || len(a.Headers) != len(b.Headers) {
		return false
	}
	for i, h := range a.Headers {
		if g := b.Headers[i]; h.Name != g.Name || v.Value(h) != w.Value(g) {
			return false
		}
	}
	return true
}
