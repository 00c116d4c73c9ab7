package policy

import (
	"regexp/syntax"
	"strings"
	"unicode"
)

// maxSamples bounds the texts that samples makes at any place of a regex, and
// maxSampleLen each of them.
const (
	maxSamples   = 64
	maxSampleLen = 512
)

// samples returns texts that re was likely made for: each alternative, each
// optional part with and without. Not all of them need to match, since anchors
// and word boundaries are taken for nothing.
func samples(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{sampleLiteral(re)}
	case syntax.OpCharClass:
		return sampleClass(re.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"a", "."}
	case syntax.OpCapture:
		return samples(re.Sub[0])
	case syntax.OpConcat:
		return sampleConcat(re.Sub)
	case syntax.OpAlternate:
		return sampleAlternate(re.Sub)
	case syntax.OpStar, syntax.OpQuest:
		return bounded(append([]string{""}, sampleRepeat(re.Sub[0])...))
	case syntax.OpPlus:
		return bounded(sampleRepeat(re.Sub[0]))
	case syntax.OpRepeat:
		return sampleCount(re)
	}
	return []string{""}
}

func sampleLiteral(re *syntax.Regexp) string {
	if re.Flags&syntax.FoldCase != 0 {
		return strings.ToLower(string(re.Rune))
	}
	return string(re.Rune)
}

// sampleClass returns a letter, a digit and a dot where ranges have them, else
// the first rune.
func sampleClass(ranges []rune) []string {
	var found []string
	for _, c := range "a1.-0" {
		if inRanges(ranges, c) {
			found = append(found, string(c))
		}
	}
	if len(found) == 0 && len(ranges) > 0 {
		found = append(found, string(unicode.ToLower(ranges[0])), string(ranges[0]))
	}
	return found
}

func inRanges(ranges []rune, c rune) bool {
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i] <= c && c <= ranges[i+1] {
			return true
		}
	}
	return false
}

// sampleRepeat returns what a repetition of sub may be. One of whatever may
// well stand for a scheme.
func sampleRepeat(sub *syntax.Regexp) []string {
	list := samples(sub)
	if sub.Op == syntax.OpAnyChar || sub.Op == syntax.OpAnyCharNotNL || sub.Op == syntax.OpCharClass && inRanges(sub.Rune, '/') {
		list = append(list, "https://", "https://a", "https://a.")
	}
	return list
}

func sampleCount(re *syntax.Regexp) []string {
	times := max(re.Min, 1)
	var list []string
	if re.Min == 0 {
		list = append(list, "")
	}
	for _, s := range sampleRepeat(re.Sub[0]) {
		if len(s)*times <= maxSampleLen {
			list = append(list, strings.Repeat(s, times))
		}
	}
	return bounded(list)
}

func sampleConcat(subs []*syntax.Regexp) []string {
	list := []string{""}
	for _, sub := range subs {
		list = cross(list, samples(sub))
	}
	return list
}

// cross returns each head with each tail, as far as the bounds go. Each head
// and each tail comes once before any of the longer list comes again.
func cross(heads, tails []string) []string {
	var list []string
	for round := range min(len(heads), len(tails)) {
		for i := range max(len(heads), len(tails)) {
			if len(list) == maxSamples {
				return list
			}
			h, t := i, i+round
			if len(heads) < len(tails) {
				h, t = t, h
			}
			head, tail := heads[h%len(heads)], tails[t%len(tails)]
			if len(head)+len(tail) <= maxSampleLen {
				list = append(list, head+tail)
			}
		}
	}
	return list
}

// sampleAlternate returns the first sample of each alternative before the
// second of any.
func sampleAlternate(subs []*syntax.Regexp) []string {
	each := make([][]string, len(subs))
	for i, sub := range subs {
		each[i] = samples(sub)
	}
	var list []string
	for i := 0; i < maxSamples && len(list) < maxSamples; i++ {
		for _, texts := range each {
			if i < len(texts) {
				list = append(list, texts[i])
			}
		}
	}
	return bounded(list)
}

func bounded(list []string) []string { return list[:min(len(list), maxSamples)] }
