package policyfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxKnown is how many known names are looked at to propose one.
const maxKnown = 1000

// didYouMean proposes the known name that is nearest to name, or says which
// there are. A prefix is written before each.
func didYouMean(name string, known []string, prefix string) string {
	best := nearest(name, known)
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

// nearest returns the known name that is nearest to name, if one is near.
func nearest(name string, known []string) string {
	best, least, bare := "", len(name)/3+1, plain(name)
	for _, k := range known {
		if len(name) > 2*len(k)+2 {
			continue
		}
		if plain(k) == bare {
			return k
		}
		if d := distance(name, k); d <= least {
			best, least = k, d-1
		}
	}
	return best
}

// plain is a name without case, "_" and "-", as other tools may write it.
func plain(name string) string {
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

// spelt returns a hint, but for one that proposes a host with a label that only
// looks like Punycode.
func spelt(hint string) string {
	for label := range strings.FieldsFuncSeq(hint, func(r rune) bool { return strings.ContainsRune(" ./:\"", r) }) {
		if label != acePrefix && badPunycode(label) != "" {
			return fmt.Sprintf("check the spelling of %q", label)
		}
	}
	return hint
}
