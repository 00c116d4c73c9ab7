package prove

import (
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/internal/retree"
)

// wild stands for whatever is repeated.
const wild = "\x00"

// The bounds of what a regex is expanded to.
const (
	maxTexts = 2048 // alternatives
	maxText  = maxScheme + maxHost + 16
	maxNames = 10 // characters of a class that stands for each of them
)

// candidates returns the patterns that a regex may have been written for. They need
// not be right. A class of so many characters stands for each of them, and a larger one
// for something that is open.
func candidates(tree *syntax.Regexp, names int) (found []policy.Pattern, err error) {
	e := expander{names: names}
	texts := e.expand(tree)
	if e.cut {
		return nil, ErrTooBig
	}
	for _, text := range texts {
		for _, s := range guess(text) {
			p, err := policy.ParsePattern(s)
			if err == nil && p.Form != policy.FormAny && p.Form != policy.FormNull && !slices.Contains(found, p) {
				found = append(found, p)
			}
		}
	}
	if len(found) > 1 {
		found = slices.DeleteFunc(found, isOdd)
	}
	return found, nil
}

// isOdd reports whether nobody can register the host of an exact pattern, so that it was
// not meant.
func isOdd(p policy.Pattern) bool {
	return p.Form == policy.FormExact && (strings.Contains(p.Host, "-.") || strings.Contains(p.Host, ".-") || strings.HasPrefix(p.Host, "-"))
}

// expander makes texts of trees: every alternative, what is optional with and without,
// and a repetition of whatever as wild.
type expander struct {
	names int
	cut   bool // there are more texts than may be
}

func (e *expander) expand(tree *syntax.Regexp) []string {
	if e.cut {
		return nil
	}
	switch tree.Op {
	case syntax.OpLiteral:
		return []string{literal(tree)}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"."} // a dot that is not escaped is almost always meant as one
	case syntax.OpCharClass:
		return e.class(tree.Rune)
	case syntax.OpCapture:
		return e.expand(tree.Sub[0])
	case syntax.OpConcat:
		return e.concat(tree.Sub)
	case syntax.OpAlternate:
		var list []string
		for _, sub := range tree.Sub {
			list = append(list, e.expand(sub)...)
		}
		return e.bound(list)
	case syntax.OpQuest:
		return append([]string{""}, e.expand(tree.Sub[0])...)
	case syntax.OpStar:
		return append([]string{""}, e.repeat(tree.Sub[0])...)
	case syntax.OpPlus:
		return e.repeat(tree.Sub[0])
	case syntax.OpRepeat:
		return e.count(tree)
	}
	return []string{""}
}

func (e *expander) bound(list []string) []string {
	if len(list) > maxTexts {
		e.cut = true
		list = list[:maxTexts]
	}
	return list
}

func literal(tree *syntax.Regexp) string {
	if tree.Flags&syntax.FoldCase != 0 {
		return strings.ToLower(string(tree.Rune))
	}
	return string(tree.Rune)
}

// class returns each character of a class, or wild if there are many.
func (e *expander) class(ranges []rune) []string {
	var list []string
	for _, c := range order {
		if isUpper := 'A' <= c && c <= 'Z'; retree.InClass(ranges, c) && !(isUpper && retree.InClass(ranges, c-'A'+'a')) {
			list = append(list, string(c))
		}
	}
	if len(list) == 0 || len(list) > e.names {
		return []string{wild}
	}
	return list
}

func (e *expander) concat(subs []*syntax.Regexp) []string {
	list := []string{""}
	for _, sub := range subs {
		list = e.bound(cross(list, e.expand(sub)))
	}
	return list
}

// cross returns each head with each tail, once, and few more than may be.
func cross(heads, tails []string) []string {
	var list []string
	known := map[string]bool{}
	for _, head := range heads {
		for _, tail := range tails {
			text := join(head, tail)
			if len(text) <= maxText && !known[text] {
				known[text] = true
				list = append(list, text)
			}
		}
		if len(list) > maxTexts {
			break
		}
	}
	return list
}

// join puts wild parts that meet into one.
func join(head, tail string) string {
	if strings.HasSuffix(head, wild) {
		tail = strings.TrimPrefix(tail, wild)
	}
	return head + tail
}

// count is expand for a tree that is repeated so many times.
func (e *expander) count(tree *syntax.Regexp) []string {
	var list []string
	if tree.Min == 0 {
		list = []string{""}
	}
	switch {
	case tree.Max == 1:
		return append(list, e.expand(tree.Sub[0])...)
	case tree.Max == tree.Min && tree.Max <= maxTimes:
		return e.concat(slices.Repeat(tree.Sub, tree.Max))
	}
	for _, text := range e.repeat(tree.Sub[0]) {
		n := max(tree.Min, 1)
		if text == wild {
			n = 1
		}
		if len(text)*n <= maxText {
			list = append(list, strings.Repeat(text, n))
		}
	}
	return list
}

// maxTimes bounds how often something is repeated where each repetition may differ.
const maxTimes = 8

// repeat is expand for a tree that is repeated.
func (e *expander) repeat(tree *syntax.Regexp) []string {
	var list []string
	for _, text := range e.expand(tree) {
		switch {
		case len(text) == 1:
			text = wild
		case strings.HasSuffix(text, ".") && strings.Contains(text, wild): // labels
			text = wild + "."
		}
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

// guess returns the texts of patterns that may be meant by a text with wild parts.
func guess(text string) []string {
	if text == "null" { // it is no host
		return nil
	}
	var list []string
	for _, scheme := range []string{"https", "http"} {
		before, rest, found := strings.Cut(text, "://")
		switch {
		case !found:
			rest = withStart(text)
		case !strings.Contains(before, wild):
			scheme = before
		}
		rest, _, _ = strings.Cut(rest, "/") // no origin has a path
		list = append(list, guessHosts(scheme, rest)...)
	}
	return list
}

// withStart is for a text without a scheme. A dot that begins it does not begin the host.
// If only its beginning is open, it may end a longer host.
func withStart(text string) string {
	bare := strings.TrimPrefix(text, wild)
	switch {
	case bare == "" || bare[0] == '.':
		return wild + bare
	case strings.Contains(bare, wild) || !strings.Contains(bare, "."):
		return bare
	}
	return text
}

func guessHosts(scheme, rest string) (list []string) {
	host, port := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		host, port = rest[:i], rest[i:]
	}
	ports := []string{port}
	switch {
	case port == ":"+wild:
		ports = []string{":*", ""}
	case port == "" && (strings.HasSuffix(host, wild) || host == ""):
		ports = []string{"", ":*"}
	}
	for _, h := range stars(host) {
		for _, p := range ports {
			list = append(list, scheme+"://"+h+p)
		}
	}
	return list
}

// stars returns the hosts of patterns that may be meant by a host with wild parts.
func stars(host string) (list []string) {
	if host == "" || host == wild {
		list = append(list, "*")
	}
	list = append(list, starsOf(host)...)
	if closed := strings.TrimSuffix(host, wild); closed != "" && closed != host { // an end that is open was not meant
		list = append(list, starsOf(closed)...)
	}
	return slices.DeleteFunc(list, func(h string) bool { return strings.Contains(h, wild) })
}

func starsOf(host string) []string {
	label, rest, dotted := strings.Cut(host, ".")
	before, after, isWild := strings.Cut(label, wild)
	switch {
	case !isWild:
		return []string{host}
	case label == wild && dotted:
		return below(rest)
	case before == "" && after[:min(1, len(after))] != "-": // ".*example.com"
		return []string{"*." + host[1:], host[1:]}
	case !dotted:
		return nil
	}
	bare := strings.TrimSuffix(before, "-")
	list := []string{before + "*" + after + "." + rest}
	if before != bare+"-" && before != "" {
		list = append(list, before+"-*"+after+"."+rest)
	}
	if after == "" {
		list = append(list, bare+"."+rest)
	}
	return list
}

// below returns "*." before rest, and before what is left of it without its own
// wild labels.
func below(rest string) []string {
	list := []string{"*." + rest}
	for strings.HasPrefix(rest, wild+".") {
		rest = rest[len(wild+"."):]
		list = append(list, "*."+rest)
	}
	return list
}
