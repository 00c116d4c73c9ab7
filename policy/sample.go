package policy

import (
	"regexp/syntax"
	"strings"
	"unicode"
)

// maxSamples bounds the texts that one alternative of a regex has, and
// maxSampleLen each of them. maxSampled bounds those of all alternatives, each
// of which is tried against the whole regex: it is texts times bytes.
const (
	maxSamples   = 64
	maxSampleLen = 512
	maxSampled   = 1 << 25
)

// sampler makes texts that a regex was likely made for.
type sampler struct {
	most int  // texts at any place of the regex
	cut  bool // there are more
}

// sample returns texts that an expression with that tree was likely made for;
// complete is false if there are too many alternatives to have each.
func sample(expr string, tree *syntax.Regexp) (texts []string, complete bool) {
	s := sampler{most: max(maxSamples, maxSampled/max(1, len(expr)))}
	texts = s.samples(tree)
	return texts, !s.cut
}

// samples returns texts for re: each alternative, each optional part with and
// without. Not all of them need to match, since anchors and word boundaries are
// taken for nothing.
func (s *sampler) samples(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{sampleLiteral(re)}
	case syntax.OpCharClass:
		return sampleClass(re.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"a", "."}
	case syntax.OpCapture:
		return s.samples(re.Sub[0])
	case syntax.OpConcat:
		return s.sampleConcat(re.Sub)
	case syntax.OpAlternate:
		return s.sampleAlternate(re.Sub)
	case syntax.OpStar, syntax.OpQuest:
		return append([]string{""}, s.sampleRepeat(re.Sub[0])...)
	case syntax.OpPlus:
		return s.sampleRepeat(re.Sub[0])
	case syntax.OpRepeat:
		return s.sampleCount(re)
	}
	return []string{""}
}

func sampleLiteral(re *syntax.Regexp) string {
	if re.Flags&syntax.FoldCase != 0 {
		return strings.ToLower(string(re.Rune))
	}
	return string(re.Rune)
}

// sampleClass returns a letter, a digit and a dot if ranges have them, else
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
func (s *sampler) sampleRepeat(sub *syntax.Regexp) []string {
	list := s.samples(sub)
	if sub.Op == syntax.OpAnyChar || sub.Op == syntax.OpAnyCharNotNL || sub.Op == syntax.OpCharClass && inRanges(sub.Rune, '/') {
		list = append(list, "https://", "https://a", "https://a.")
	}
	return list
}

func (s *sampler) sampleCount(re *syntax.Regexp) []string {
	times := max(re.Min, 1)
	var list []string
	if re.Min == 0 {
		list = append(list, "")
	}
	for _, text := range s.sampleRepeat(re.Sub[0]) {
		if len(text)*times <= maxSampleLen {
			list = append(list, strings.Repeat(text, times))
		}
	}
	return list
}

func (s *sampler) sampleConcat(subs []*syntax.Regexp) []string {
	list := []string{""}
	for _, sub := range subs {
		list = cross(list, s.samples(sub))
	}
	return list
}

// cross returns each head with each tail, as far as the bounds go. Each head
// and each tail comes once before any of the longer list comes again, and that
// is as far as they always go.
func cross(heads, tails []string) []string {
	var list []string
	for round := range min(len(heads), len(tails)) {
		for i := range max(len(heads), len(tails)) {
			if round > 0 && len(list) >= maxSamples {
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

func (s *sampler) sampleAlternate(subs []*syntax.Regexp) []string {
	var list []string
	for _, sub := range subs {
		list = append(list, s.samples(sub)...)
		if len(list) > s.most {
			s.cut = true
			return list[:s.most]
		}
	}
	return list
}
