package prove

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy/internal/retree"
)

// Mode says what of an origin a regex has to match, by the engine that runs it.
type Mode uint8

// The modes.
const (
	Whole  Mode = iota // all of it, as in Envoy
	Prefix             // from its beginning on
	Search             // any part of it
)

// Regex is a regex over origins, as some engine runs it. Its zero value matches only the
// empty text.
type Regex struct {
	Expr string
	Mode Mode
	Fold bool // without case
}

// maxExpr bounds an expression, and maxSize how many instructions it may have with each
// repetition written out.
const (
	maxExpr = 1 << 16
	maxSize = 1 << 15
)

// parse returns the syntax tree of the expression alone. Its error says what to write.
func (r Regex) parse() (*syntax.Regexp, error) {
	if len(r.Expr) > maxExpr {
		return nil, ErrTooBig
	}
	flags := syntax.Perl
	if r.Fold {
		flags |= syntax.FoldCase
	}
	if bad := backreference.FindString(r.Expr); bad != "" && strings.Count(r.Expr, "(") > 9 {
		return nil, errors.New(bad + " may be what a group has matched or a character, and " + unlike)
	}
	tree, err := syntax.Parse(r.Expr, flags)
	if err != nil {
		return nil, explain(r.Expr, err)
	}
	if retree.Size(tree) > maxSize {
		return nil, ErrTooBig
	}
	return tree, nil
}

// whole returns the tree of the origins that the expression with that tree matches, as a
// whole. What is anchored gets no rest, so that nothing has to be read for it.
func (r Regex) whole(tree *syntax.Regexp) *syntax.Regexp {
	rest := &syntax.Regexp{Op: syntax.OpStar, Sub: []*syntax.Regexp{{Op: syntax.OpAnyChar}}}
	parts := []*syntax.Regexp{tree}
	begins, ends := Anchors(tree)
	if r.Mode == Search && !begins {
		parts = []*syntax.Regexp{rest, tree}
	}
	if r.Mode != Whole && !ends {
		parts = append(parts, rest)
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Sub: parts}
}

// Anchors reports whether all that a tree matches begins where the text does, and whether it ends
// where the text does.
func Anchors(tree *syntax.Regexp) (begins, ends bool) {
	return isAnchored(tree, syntax.OpBeginText, first), isAnchored(tree, syntax.OpEndText, last)
}

func first(subs []*syntax.Regexp) *syntax.Regexp { return subs[0] }
func last(subs []*syntax.Regexp) *syntax.Regexp  { return subs[len(subs)-1] }

// isAnchored reports whether all that a tree matches has the anchor at one end.
func isAnchored(tree *syntax.Regexp, anchor syntax.Op, end func([]*syntax.Regexp) *syntax.Regexp) bool {
	switch tree.Op {
	case anchor:
		return true
	case syntax.OpCapture, syntax.OpConcat:
		return isAnchored(end(tree.Sub), anchor, end)
	case syntax.OpAlternate:
		return !slices.ContainsFunc(tree.Sub, func(sub *syntax.Regexp) bool { return !isAnchored(sub, anchor, end) })
	}
	return false
}

// Compile returns what matches the texts that r matches, of origins and all others, as a
// whole.
func (r Regex) Compile() (*regexp.Regexp, error) {
	tree, err := r.parse()
	if err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + r.whole(tree).String() + `)\z`)
}

// Literal is the regex of one text.
func Literal(text string) Regex { return Regex{Expr: regexp.QuoteMeta(text)} }

const unlike = "RE2 reads it otherwise than PCRE: write patterns such as \"https://*.example.com\" instead"

// backreference may be one in PCRE, if there are so many groups.
var backreference = regexp.MustCompile(`\\[1-9][0-9]`)

// foreigners are constructs of PCRE and its like that RE2 has not, with what to write
// instead.
var foreigners = []struct {
	find       *regexp.Regexp
	name, hint string
}{
	{regexp.MustCompile(`^\(\?<?[=!]`), "looks ahead or behind", "leave it out and list the origins, or write patterns"},
	{regexp.MustCompile(`^\(\?>`), "is an atomic group", `write "(?:" if it may give back what it matched`},
	{regexp.MustCompile(`^\(\?\(`), "is a condition", "write each of its cases"},
	{regexp.MustCompile(`^\(\?(R|[-+]?[0-9]|&|P>)`), "calls a group again", "write the group out"},
	{regexp.MustCompile(`^\(\?#`), "is a comment", "leave it out"},
	{regexp.MustCompile(`^\(\?\|`), "numbers groups anew", `write "(?:"`},
	{regexp.MustCompile(`^\(\?'`), "is a group's name", `write "(?:"`},
	{regexp.MustCompile(`^\(\?\^?[a-zA-Z-]*[xJna^]`), "is a flag", "write the regex without it"},
	{regexp.MustCompile(`^\(\*`), "is a verb", "leave it out"},
	{regexp.MustCompile(`^(\\[1-9]|\\k|\\g|\(\?P=)`), "is what a group has matched", "write the group out"},
	{regexp.MustCompile(`^\\Z`), "is the end of the text", `write "$"`},
	{regexp.MustCompile(`^\\[hHNRXVKGCEuoclLU]`), "is an escape", "write a class such as [a-z0-9-]"},
	{regexp.MustCompile(`^([*+?]|\{[0-9]+(,[0-9]*)?\})\+`), "keeps what it has matched", "leave out the last plus"},
}

// ForeignError is for a regex with a construct that RE2 has not.
type ForeignError struct {
	// Construct is the text, such as "(?!". Is says what it is, as in "looks ahead", and Hint
	// what to write instead.
	Construct, Is, Hint string
}

// Error returns the mistake on one line.
func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s %s, and RE2 has no such thing: %s", e.Construct, e.Is, e.Hint)
}

// explain says which construct of the expression is foreign to RE2, if that is why it
// cannot be read.
func explain(expr string, err error) error {
	for i := 0; i < len(expr); i++ {
		for _, f := range foreigners {
			if found := f.find.FindString(expr[i:]); found != "" {
				return &ForeignError{Construct: found, Is: f.name, Hint: f.hint}
			}
		}
		if expr[i] == '\\' {
			i++
		}
	}
	if bad, ok := errors.AsType[*syntax.Error](err); ok {
		return fmt.Errorf("this is not an RE2 regex: %s: %s", bad.Code, bad.Expr)
	}
	return err
}
