// Package near proposes a name for one that there is not.
package near

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// DidYouMean proposes the known name that is nearest to name, or says which
// there are. A prefix is written before each.
func DidYouMean(name string, known []string, prefix string) string {
	best := Nearest(name, known)
	switch {
	case best != "":
		return "did you mean " + strconv.Quote(prefix+best) + "?"
	case len(known) == 0:
		return "there are none yet"
	case len(known) == 1, len(known) > 20:
		return "write one such as " + strconv.Quote(prefix+known[0])
	}
	return "write one of " + prefix + strings.Join(known, ", "+prefix)
}

// Nearest returns the known name that is nearest to name, if one is near.
func Nearest(name string, known []string) string {
	best, least, bare := "", len(name)/3+1, Plain(name)
	for _, k := range known {
		if len(name) > 2*len(k)+2 {
			continue
		}
		if Plain(k) == bare {
			return k
		}
		if d := distance(name, k); d <= least {
			best, least = k, d-1
		}
	}
	return best
}

// Plain is a name without case, "_" and "-", as other tools may write it.
func Plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// distance is the number of bytes to insert, remove or change to make a of b
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{cost, row[j] + 1, row[j+1] + 1})
		}
	}
	return row[len(b)]
}
