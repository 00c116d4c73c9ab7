package console

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/printable"
)

// answer is a report, with what its remedy would open beside the request.
type answer struct {
	explain.Report
	Opens string `json:"opens,omitempty"`
}

// newAnswer returns what a set answers. A remedy that is a policy of its own opens nothing of
// what the set has.
func newAnswer(set *policy.Set, r explain.Report) answer {
	a := answer{Report: r}
	if r.Remedy == nil {
		return a
	}
	if i := slices.Index(set.Names(), r.Remedy.Policy); i >= 0 {
		a.Opens = opensChanges(&set.Specs()[i], r.Question.Origin, r.Remedy.Changes)
	}
	return a
}

// opensMore says what a method or a header opens.
const opensMore = "Pages of each origin that the policy allows could then send that, too."

// opensChanges says in one sentence what changes of s open that allow a request of the origin.
func opensChanges(s *policy.Spec, origin string, changes []explain.Change) string {
	var listed, more bool
	credentials := s.CORS.AllowCredentials
	for _, c := range changes {
		switch c.Field {
		case "cors.allowOrigins":
			listed = true
		case "cors.allowCredentials":
			credentials = true
		case "cors.allowMethods", "cors.allowHeaders":
			more = true
		}
	}
	switch {
	case listed:
		return opensOrigin(s, printable.Value(origin), credentials)
	case more:
		return opensMore
	}
	return ""
}

// onceEnforced says when a sentence about what a line opens becomes true.
func onceEnforced(s *policy.Spec, opens string) string {
	if s.Mode != policy.ModeShadow {
		return opens
	}
	return "The policy is in shadow, so this changes nothing yet. Once it is enforced: " + strings.ToLower(opens[:1]) + opens[1:]
}

// opensOrigin says what the origin opens.
func opensOrigin(s *policy.Spec, origin string, credentials bool) string {
	what := "whatever " + listOr(s.Hosts, "every host") + " answers"
	if len(s.Paths) > 0 {
		what += " below " + listOr(s.Paths, "")
	}
	whose := "but without the cookies of its visitors"
	if credentials {
		whose = "with the cookies of its visitors"
	}
	return "Every page of " + origin + " could then read " + what + ", " + whose + "."
}

// maxListed is how many entries a sentence names.
const maxListed = 3

func listOr(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	text := strings.Join(list[:min(len(list), maxListed)], ", ")
	if more := len(list) - maxListed; more > 0 {
		text += " and " + printable.Counted(more, "other", "others")
	}
	return text
}
