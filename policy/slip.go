package policy

// Slip reports whether a and b, which are not the same, differ in one byte that
// is too many, too few or wrong, or in two that are exchanged.
func Slip(a, b string) (wrong, exchanged bool) {
	if a == b || max(len(a)-len(b), len(b)-len(a)) > 1 {
		return false, false
	}
	a, b = trimCommon(a, b)
	exchanged = len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
	return max(len(a), len(b)) <= 1, exchanged
}

// trimCommon cuts what a and b begin and end with alike.
func trimCommon(a, b string) (string, string) {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}
