package policy

// Differs reports whether v and w treat a request differently: in the reason
// or in anything that is sent. It is what Decision.ShadowDiffers tells.
func (v *Verdict) Differs(w *Verdict) bool {
	a, b := v.Answer, w.Answer
	if v.Reason != w.Reason || a.Action != b.Action || a.Status != b.Status || a.Apply != b.Apply || len(a.Headers) != len(b.Headers) {
		return true
	}
	for i, h := range a.Headers {
		if g := b.Headers[i]; h.Name != g.Name || v.Value(h) != w.Value(g) {
			return true
		}
	}
	return false
}
