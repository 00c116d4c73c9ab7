package policy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxProblems is how many problems Validate returns, besides one that says how
// many more there are.
const MaxProblems = 1000

// Validate judges specs. If they have an error, the Valid is nil; HasErrors of the
// problems says so, too. The problems are the mistakes in specs and what is worth a
// look, ordered by spec and by place in it. They are nil if there are none. If
// there are more than MaxProblems, it returns those that Examine finds first,
// errors before others.
func Validate(specs []Spec) (*Valid, Problems) {
	var problems Problems // of each level at most one more than is returned
	var counts [len(levelWords)]int
	valid := Examine(specs, func(p Problem) {
		if counts[p.Level]++; counts[p.Level] <= MaxProblems+1 {
			problems = append(problems, p)
		}
	})
	if more := counts[Error] + counts[Warning] + counts[Note] - MaxProblems; more > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Level, b.Level) })
		problems = append(problems[:MaxProblems], Problem{
			Level: problems[MaxProblems].Level, Code: "diagnostics-limit", Spec: problems[MaxProblems-1].Spec,
			Reason: fmt.Sprintf("%d more are not shown", more), Hint: "mend these first",
		})
	}
	slices.SortStableFunc(problems, bySpec)
	return valid, problems
}

func bySpec(a, b Problem) int { return cmp.Compare(a.Spec, b.Spec) }

// Examine is Validate for callers that want each problem as it is found. It calls
// report for each, one spec after the other; problems between several specs come
// last. It keeps no problem, since there may be millions. Field paths are those
// of the given specs. If one of the problems is an error, it returns nil. It has
// every rule that needs neither a list of domains nor Unicode tables; package
// policyfile adds those. Its time grows linearly with the number of entries.
func Examine(specs []Spec, report func(Problem)) *Valid {
	memos := make([]*Memo, len(specs))
	for i := range specs {
		memos[i] = NewMemo(specs[i], nil)
	}
	return ExamineMemos(memos, report, report)
}

// validator reports the problems of one spec after the other.
type validator struct {
	report   func(Problem)
	memos    []*Memo
	named    *scopes // of all specs; made when it is needed
	spec     int
	s        *Spec
	lifted   map[OptIn]bool // opt-ins that something needed
	byItself bool           // nothing that was found of the current spec depends on others
	// refused tells that a problem was an error.
	refused bool
}

// checkSpec reports the problems of a spec, and whether they are those of the spec
// alone.
func (v *validator) checkSpec(s *Spec, report func(Problem)) (alone bool) {
	v.s, v.lifted, v.byItself, v.report = s, map[OptIn]bool{}, true, report
	v.checkName()
	v.checkHosts()
	v.checkPaths()
	v.checkOrigins()
	v.checkRegexes()
	v.checkMethods()
	v.checkSafeMethods()
	v.checkAllowHeaders()
	v.checkExposeHeaders()
	v.checkMaxAge()
	v.checkEnums()
	v.checkPrivateNetwork()
	v.checkOptIns()
	return v.byItself
}

// fail, warn and note add a problem of the current spec.
func (v *validator) fail(code, field, value, reason, hint string) {
	v.add(Error, code, field, value, reason, hint)
}

func (v *validator) warn(code, field, value, reason, hint string) {
	v.add(Warning, code, field, value, reason, hint)
}

func (v *validator) note(code, field, value, reason, hint string) {
	v.add(Note, code, field, value, reason, hint)
}

func (v *validator) add(level Level, code, field, value, reason, hint string) {
	v.report(Problem{Level: level, Code: code, Field: field, Value: value, Reason: reason, Hint: hint})
}

// refuse adds an error unless the spec opts in to it, and reports whether it
// did.
func (v *validator) refuse(o OptIn, code, field, value, reason, hint string) bool {
	v.lifted[o] = true
	if v.s.OptsIn(o) {
		return false
	}
	v.fail(code, field, value, reason, hint+OrOptIn(o))
	return true
}

// OrOptIn ends the hint of what o lifts.
func OrOptIn(o OptIn) string { return fmt.Sprintf(", or list %q under dangerously", o) }

// at returns the path of entry i of a list.
func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

const maxNameLen = 63

func (v *validator) checkName() {
	name := v.s.Name
	if name == "" {
		v.fail("name-missing", "name", "", "the policy has no name", `write one such as "name: api"`)
		return
	}
	if !IsName(name) {
		v.fail("name-syntax", "name", name, "a name is 1 to 63 of a-z, 0-9 and hyphen, and does not begin with a hyphen",
			nameHint(name))
	}
}

// IsName reports whether s can be the name of a policy.
func IsName(s string) bool {
	if s == "" || len(s) > maxNameLen || s[0] == '-' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return !isNameRune(r) }) < 0
}

func isNameRune(r rune) bool { return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' }

// nameHint proposes a name like s, if there is one.
func nameHint(s string) string {
	s = strings.Map(func(r rune) rune {
		if isNameRune(r) {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	s = strings.Trim(s[:min(len(s), maxNameLen)], "-")
	if s == "" {
		return `write one such as "api"`
	}
	return didYouMean(s)
}

// checkNames finds names that two specs share.
func (v *validator) checkNames() {
	first := make(map[string]int, len(v.memos))
	for i, m := range v.memos {
		v.spec = i
		name := m.spec.Name
		if _, taken := first[name]; taken && name != "" {
			v.fail("name-duplicate", "name", name, "another policy has this name", "give each policy a name of its own")
			continue
		}
		first[name] = i
	}
}

// The bounds of maxAge in seconds: the longest time that any browser keeps an
// answer, and the largest number that every recipient can read (RFC 9111,
// section 1.2.2).
const (
	patientMaxAge = 86400
	maxMaxAge     = math.MaxInt32
)

func (v *validator) checkMaxAge() {
	const field = "cors.maxAge"
	if v.s.CORS.MaxAge == nil {
		return
	}
	age := *v.s.CORS.MaxAge
	value := strconv.Itoa(age)
	const hint = "write 86400 or less; Chromium keeps it for 7200, Safari for 600"
	switch {
	case age < 0:
		// Browsers take a value that is not delta-seconds for 5 seconds
		// (Fetch, #cors-preflight-fetch, "max-age is failure or null").
		v.fail("max-age-negative", field, value, "an age is never negative", "write 0 to switch the cache off")
	case age > maxMaxAge:
		v.fail("max-age-too-large", field, value, "an age is at most 2147483647 seconds", hint)
	case age > patientMaxAge:
		// Fetch, #cors-preflight-fetch: browsers impose a limit.
		v.warn("max-age-capped", field, value, "no browser keeps a preflight's answer for more than 86400 seconds", hint)
	}
}

func (v *validator) checkEnums() {
	s := v.s
	v.checkEnum("mode", string(s.Mode), string(ModeEnforce), string(ModeShadow), string(ModeOff))
	v.checkEnum("upstreamHeaders", string(s.UpstreamHeaders), string(UpstreamReplace), string(UpstreamDefer))
	v.checkEnum("unmatchedPreflights", string(s.UnmatchedPreflights), string(UnmatchedReject), string(UnmatchedForward))
	v.checkBlocking()
	v.checkEnum("deniedRequests", string(s.DeniedRequests), string(DeniedPass), string(DeniedBlockUnsafe), string(DeniedBlock))
	if s.PreflightStatus != 0 && s.PreflightStatus != 200 && s.PreflightStatus != 204 {
		v.fail("preflight-status", "preflightStatus", strconv.Itoa(s.PreflightStatus),
			"an allowed preflight is answered with 204 or 200", "write 204, or 200 for clients that insist on it")
	}
	v.checkEnum("preflightLists", string(s.PreflightLists), string(ListsFull), string(ListsRequested))
}

// isPublic reports whether the policy allows every origin, without credentials.
func (v *validator) isPublic() bool {
	return slices.Contains(v.s.CORS.AllowOrigins, "*") && !v.s.CORS.AllowCredentials
}

// checkBlocking warns about deniedRequests in a policy that denies no request.
func (v *validator) checkBlocking() {
	if d := v.s.DeniedRequests; v.isPublic() && d != "" && d != DeniedPass {
		v.warn("setting-unused", "deniedRequests", string(d), `a policy with "*" denies no request`, "list the origins, or remove it")
	}
}

func (v *validator) checkEnum(field, value string, words ...string) {
	if value == "" || slices.Contains(words, value) {
		return
	}
	v.fail("unknown-value", field, value, "the field has no such value", oneOf(words))
}

// oneOf returns the hint that names the words that may be written.
func oneOf(words []string) string {
	last := len(words) - 1
	return "write " + strings.Join(words[:last], ", ") + " or " + words[last]
}

func (v *validator) checkPrivateNetwork() {
	const field = "allowPrivateNetwork"
	if !v.s.AllowPrivateNetwork {
		return
	}
	const reason = "Private Network Access was withdrawn: browsers ask their user instead and ignore the header"
	if !v.refuse(OptInPrivateNetworkAccess, "private-network-access", field, "true", reason, "leave the field out") {
		v.warn("private-network-withdrawn", field, "true", reason, "leave the field out once no old client needs it")
	}
}

func (v *validator) checkOptIns() {
	seen := map[OptIn]bool{}
	for i, o := range v.s.Dangerously {
		field := at("dangerously", i)
		switch {
		case !slices.Contains(optIns, o):
			v.fail("opt-in-unknown", field, string(o), "there is no such opt-in", optInHint(string(o)))
		case seen[o]:
			v.warn("opt-in-redundant", field, string(o), "the opt-in is listed twice", "remove one")
		case !v.lifted[o] && o != OptInPublicSuffix: // that one needs the list of public suffixes
			v.warn("opt-in-unused", field, string(o), "the opt-in lifts nothing here", "remove it")
		}
		seen[o] = true
	}
}

var optIns = []OptIn{
	OptInOriginRegex, OptInNullOrigin, OptInAnyOriginWithCredentials,
	OptInPublicSuffix, OptInInsecureOrigins, OptInPrivateNetworkAccess,
}

func optInHint(text string) string {
	hint, listed := apart(text, func(word string) string {
		if slices.Contains(optIns, OptIn(word)) {
			return word
		}
		return ""
	})
	if listed {
		return hint
	}
	return oneOf(optInWords())
}

func optInWords() []string {
	words := make([]string, len(optIns))
	for i, o := range optIns {
		words[i] = string(o)
	}
	return words
}
