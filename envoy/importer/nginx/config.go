package nginx

import (
	"fmt"
	"regexp"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy/prove"
)

// config is what holds for all servers.
type config struct {
	maps   map[string]*mapping
	set    map[string]bool // the variables that some set gives a value
	named  map[string]*location
	seen   []seenOrigin
	isSeen map[[2]string]bool // of seen: text and fold
	// supposed says that the header is not in the input.
	supposed bool
	sent     map[*directive]bool // the directives whose headers some request gets
	regexes  map[string]compiled
	paths    map[prove.Regex]*pathRegex
	kinds
	*budget
}

// budget is how far one input is followed, whatever its files are.
type budget struct {
	steps int
	told  bool // that it is spent
}

// maxSteps bounds the directives, maps and regexes that requests meet.
const maxSteps = 6_000_000

// spend counts a step, and reports whether there were too many.
func (b *budget) spend() bool {
	b.steps++
	return b.isSpent()
}

func (b *budget) isSpent() bool { return b.steps > maxSteps }

// compiled is a regex, or what RE2 says of it.
type compiled struct {
	*regexp.Regexp
	err error
}

func (c *config) compile(expr string) (*regexp.Regexp, error) {
	re, known := c.regexes[expr]
	if !known {
		re.Regexp, re.err = regexp.Compile(expr)
		c.regexes[expr] = re
		c.exprs = append(c.exprs, expr)
	}
	return re.Regexp, re.err
}

func (c *config) pathRegex(r prove.Regex) *pathRegex {
	if c.paths[r] == nil {
		c.paths[r] = newPathRegex(r)
	}
	return c.paths[r]
}

// seenOrigin is an origin that the configuration names as a text.
type seenOrigin struct {
	source.Text
	fold bool
}

func (c *config) seeOrigin(text string, fold bool, at source.Place) {
	key := [2]string{text, fmt.Sprint(fold)}
	if text == "" || c.isSeen[key] {
		return
	}
	c.isSeen[key] = true
	c.seen = append(c.seen, seenOrigin{source.Text{Place: at, Text: text}, fold})
}

// folds reports whether a map has that text.
func (c *config) folds(text string) bool { return c.isSeen[[2]string{text, "true"}] }
