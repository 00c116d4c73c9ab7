package notrip

import (
	"fmt"
	"strings"
)

// DefaultBudget is the budget if none is given, in bytes.
const DefaultBudget = 64 << 20

// fit returns resources within the budget. If they are too large, it has the service
// asked about whole policies, the last ones first.
func (c *compiler) fit() ([]Resource, error) {
	compiled := c.policies
	for {
		resources, size, err := c.resources()
		if err != nil || size <= c.Budget || len(compiled) == 0 {
			return resources, err
		}
		compiled = c.askAbout(compiled, int(float64(weightOf(compiled))*0.95*float64(c.Budget)/float64(size)))
	}
}

// askAbout keeps the first policies up to a weight, and returns them; they are fewer
// than before. The service is asked about the others.
func (c *compiler) askAbout(policies []*compiled, most int) (kept []*compiled) {
	for i, p := range policies {
		if w := p.weight(); w <= most && (len(kept) < i || i < len(policies)-1) {
			most -= w
			kept = append(kept, p)
			continue
		}
		p.asked, c.cut = true, true
		p.causes = append(p.causes, Cause{
			Reason: fmt.Sprintf("it does not fit into the budget of %.4g MiB beside the policies before it", float64(c.Budget)/(1<<20)),
			Hint:   "allow more with --no-trip-budget, or move the policy to the front",
		})
	}
	return kept
}

// weight is about how many bytes a policy compiles into.
func (p *compiled) weight() int {
	origins := len(strings.Join(p.spec.CORS.AllowOrigins, ""))
	if p.listsMany {
		origins += 150 * p.origins
	}
	return origins + 2500*max(len(p.spec.Hosts), 1)
}

func weightOf(policies []*compiled) (sum int) {
	for _, p := range policies {
		sum += p.weight()
	}
	return sum
}
