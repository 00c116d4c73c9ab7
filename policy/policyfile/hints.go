package policyfile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/internal/near"
	"github.com/corsgate/corsgate/policy/printable"
	"go.yaml.in/yaml/v4"
)

// refusal returns the hint for a value that a field of a policy may not have.
// What a hint proposes must not be refused, too. For diagnostics beyond those
// that are kept, it proposes nothing.
func (d *document) refusal(field string, value any) (hint string, refused bool) {
	if d.errors > d.l.limits.findings {
		return "", true
	}
	if list, index := cutIndex(field); index >= 0 {
		field, value = list, []any{value}
	}
	if strings.HasPrefix(field, groupsField) {
		field = originsField
	}
	s, err := specWith(field, value)
	if err != nil {
		return "", true
	}
	Examine([]policy.Spec{s}, func(p policy.Problem) {
		if !refused && isRefused(p) && strings.HasPrefix(p.Field, field) {
			hint, refused = p.Hint, true
		}
	})
	return hint, refused
}

// isRefused reports whether a hint must not propose the value that p is about.
// A value that looks like a pattern or is misspelt loads, but was not meant.
func isRefused(p policy.Problem) bool {
	return p.Level == policy.Error || p.Code == "looks-like-pattern" || p.Code == "misspelt-method"
}

const (
	groupsField  = "originGroups."
	originsField = "cors.allowOrigins"
	regexesField = "cors.allowOriginRegexes"
)

// specWith returns a policy with only one field.
func specWith(field string, value any) (s policy.Spec, err error) {
	if outer, inner, nested := strings.Cut(field, "."); nested {
		field, value = outer, map[string]any{inner: value}
	}
	text, err := json.Marshal(map[string]any{field: value})
	if err != nil {
		return s, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return s, d.Decode(&s)
}

// listHint proposes the list that n, which is not a list, stands for: the entries
// of one text, or the one entry in a mapping. If n stands for no list, it returns
// other.
func (d *document) listHint(field string, n *yaml.Node, other string) string {
	if field == "policies" {
		return policiesHint(n)
	}
	var entries []string
	switch {
	case len(n.Value) > maxValue:
	case n.Kind == yaml.ScalarNode:
		entries = policy.SplitList(n.Value)
	case n.Kind == yaml.MappingNode:
		if text, _ := entryOf(n); text != "" {
			entries = []string{text}
		}
	}
	if strings.HasPrefix(field, groupsField) || field == originsField {
		for i, text := range entries {
			entries[i] = cmp.Or(policy.MeantPattern(text), text)
		}
	}
	if _, refused := d.refusal(field, entries); refused || len(entries) == 0 {
		return other
	}
	return "write a list: [" + printable.List(entries) + "]"
}

// somePolicies is the hint if the file has no policy at all.
const somePolicies = "write a list, such as [{name: api, cors: {allowOrigins: [https://app.example.com]}}]"

// policiesHint shows how to write n, which is not a list, as a list. n may have
// policies under their names, or the fields of one policy.
func policiesHint(n *yaml.Node) string {
	var entries []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		isFields := value.Kind == yaml.MappingNode || value.Kind == yaml.AliasNode || value.ShortTag() == "!!null"
		switch ours := oursFor(key); {
		case ours == "cors" || !isFields && ours != "" && !strings.Contains(ours, "."):
			return "write a list with the one policy: [" + shape("", n) + "]"
		case !isFields:
			return somePolicies
		case i < 2*maxShown:
			entries = append(entries, shape(key, value))
		case i == 2*maxShown:
			entries = append(entries, "...")
		}
	}
	if entries == nil {
		return somePolicies
	}
	return "write a list, of policies that have their names in them: [" + strings.Join(entries, ", ") + "]"
}

// maxShown is how many policies, and how many fields of one, a hint shows.
const maxShown = 3

// shape shows a policy with the fields that n has, and with that name.
func shape(name string, n *yaml.Node) string {
	var shown []string
	if name != "" {
		shown = append(shown, "name: "+properName(name))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch key, value := n.Content[i].Value, n.Content[i+1].Value; {
		case key == "name" && name != "":
		case len(shown) > maxShown:
			return "{" + strings.Join(shown, ", ") + ", ...}"
		case key == "name":
			shown = append(shown, "name: "+properName(value))
		default:
			shown = append(shown, printable.Name(key)+": ...")
		}
	}
	return "{" + strings.Join(shown, ", ") + "}"
}

// properName returns name if a policy may have that name.
func properName(name string) string {
	if policy.IsName(name) {
		return name
	}
	return "..."
}

// textHint proposes the text for n, which is not text.
func (d *document) textHint(field string, n *yaml.Node) string {
	text, sure, advice := n.Value, true, "quote it: "
	if n.Kind == yaml.MappingNode {
		text, sure = entryOf(n)
		advice = "write "
	}
	hint, refused := d.refusal(field, clip(text))
	switch {
	case strings.HasPrefix(text, groupPrefix) && policy.IsName(text[len(groupPrefix):]):
	case text == "", len(text) > maxValue, refused && (hint == "" || !sure):
		return "write text"
	case refused:
		return hint
	}
	return advice + strconv.Quote(text)
}

// entryOf returns the text that another system has in the mapping n, such as {exact: TEXT},
// {type: Exact, value: TEXT}, or {path: {...}} with one of these. Otherwise n may be a text
// that became a mapping by a space, such as {group: NAME} or {https: //HOST}; then it is not
// sure.
func entryOf(n *yaml.Node) (text string, sure bool) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		pattern, known := policy.Matched(key.Value, value.Value)
		if value.Kind == yaml.MappingNode {
			if text, sure = entryOf(value); sure || known {
				return text, sure
			}
			continue
		}
		switch {
		case !known:
		case strings.HasPrefix(value.Value, "/"):
			return value.Value, true // a path is a prefix as it is
		case value.Value != "":
			return pattern, true
		}
	}
	if len(n.Content) == 2 && n.Content[1].Kind == yaml.ScalarNode {
		return n.Content[0].Value + ":" + n.Content[1].Value, false
	}
	return "", false
}

// boolHint proposes what word means.
func boolHint(word string) string {
	switch strings.ToLower(word) {
	case "true", "yes", "y", "on", "1", "include":
		return "write true without quotes"
	case "false", "no", "n", "off", "0", "omit":
		return "write false without quotes"
	}
	return "write true or false"
}

// intHint proposes the number that text means. If text does not mean a number, it returns
// other.
func (d *document) intHint(field, text, other string) string {
	n, ok := numberOf(clip(text))
	if !ok {
		return other
	}
	if hint, refused := d.refusal(field, n); refused {
		return cmp.Or(hint, other)
	}
	return "write " + strconv.Itoa(n) + " without quotes"
}

// units are words for lengths of time that time.ParseDuration does not know, in
// seconds.
var units = map[string]float64{
	"": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
	"hour": 3600, "hours": 3600, "d": 86400, "day": 86400, "days": 86400, "w": 604800, "week": 604800, "weeks": 604800,
}

// numberOf reads a whole number in another spelling, or a length of time in
// seconds.
func numberOf(text string) (int, bool) {
	digits := strings.TrimRightFunc(text, func(r rune) bool { return !unicode.IsDigit(r) })
	unit, known := units[strings.ToLower(strings.TrimSpace(text[len(digits):]))]
	number, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil || !known || len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	number *= unit
	return int(number), number == math.Trunc(number) && math.Abs(number) <= math.MaxInt32
}

// seconds reads a duration of whole seconds.
func seconds(text string) (int, bool) {
	age, err := time.ParseDuration(text)
	n := int(age / time.Second)
	return n, err == nil && time.Duration(n)*time.Second == age // an int may have 32 bits
}

// theirs are the names that fields have in other systems, as near.Plain writes them.
// The first of each is our own.
var theirs = []struct{ ours, names string }{
	{"policies", "policies policy corspolicies rules"},
	{"originGroups", "origingroups groups origingroup"},
	{"name", "name id"},
	{"hosts", "hosts host hostname hostnames domain domains vhosts servername"},
	{"paths", "paths path prefix prefixes pathprefix routes uri uris"},
	{"cors", "cors corspolicy"},
	{"mode", "mode"},
	{"upstreamHeaders", "upstreamheaders"},
	{"unmatchedPreflights", "unmatchedpreflights"},
	{"deniedRequests", "deniedrequests"},
	{"preflightStatus", "preflightstatus optionssuccessstatus optionsstatus preflightstatuscode"},
	{"preflightLists", "preflightlists"},
	{"allowPrivateNetwork", "allowprivatenetwork allowprivatenetworkaccess"},
	{"debug", "debug"},
	{"dangerously", "dangerously"},
	{"cors.allowOrigins", "alloworigins alloworigin allowedorigins allowedorigin origins origin alloworiginstringmatch " +
		"alloworiginlist alloworiginpatterns alloworiginpattern allowedoriginpatterns allowedoriginpattern originpatterns originpattern " +
		"whitelist allowlist"},
	{"cors.allowOriginRegexes", "alloworiginregexes alloworiginregex alloworiginlistregex alloworiginsbyregex allowedoriginregex " +
		"allowedoriginregexes allowedoriginsregex originregex"},
	{"cors.allowMethods", "allowmethods allowmethod allowedmethods allowedmethod methods method"},
	{"cors.allowHeaders", "allowheaders allowheader allowedheaders allowedheader headers"},
	{"cors.exposeHeaders", "exposeheaders exposeheader exposedheaders exposedheader exposed"},
	{"cors.allowCredentials", "allowcredentials allowcredential allowedcredentials supportscredentials supportcredentials credentials " +
		"withcredentials"},
	{"cors.maxAge", "maxage maxageseconds maxagesec maxagesecs preflightmaxage"},
}

// oursFor returns the path of the field that others call name. It returns
// nothing if there is none.
func oursFor(name string) string {
	name = near.Plain(name[strings.LastIndexAny(name, "/.")+1:])
	for _, prefix := range []string{"", "cors", "accesscontrol"} {
		for _, f := range theirs {
			if slices.Contains(strings.Fields(f.names), strings.TrimPrefix(name, prefix)) {
				return f.ours
			}
		}
	}
	return ""
}

// byEntries corrects path, if it is one of the two fields for origins, by the
// look of the entries: a pattern with a star belongs to allowOrigins, a regex
// that says more than a pattern to allowOriginRegexes. The first such entry
// decides.
func byEntries(path string, value *yaml.Node) string {
	if path != originsField && path != regexesField {
		return path
	}
	entries := value.Content
	if value.Kind == yaml.ScalarNode {
		entries = []*yaml.Node{value}
	}
	for _, n := range entries[:min(len(entries), maxKnown)] {
		_, err := policy.ParsePattern(n.Value)
		bad, _ := errors.AsType[*policy.PatternError](err)
		switch {
		case bad == nil && strings.Contains(n.Value, "*"):
			return originsField
		case bad != nil && bad.Code == "origin-regex" && bad.Mended == "":
			return regexesField
		}
	}
	return path
}

// fieldHint proposes a field for name, an unknown field with that value. free are the
// mapping's fields that are not written yet.
func fieldHint(name string, value *yaml.Node, known, free []string) string {
	path := byEntries(oursFor(name), value)
	field := path[strings.LastIndexByte(path, '.')+1:]
	if path == "" || len(known) == 1 {
		path, field = "", near.Nearest(name, known)
	}
	switch {
	case slices.Contains(free, field):
		return "did you mean " + strconv.Quote(field) + "?"
	case slices.Contains(known, field):
		return strconv.Quote(field) + " is there already: remove one"
	case path == "" && len(free) == 0:
		return "remove it: all that may stand here is there already: " + strings.Join(known, ", ")
	case path == "":
		return near.DidYouMean("", free, "")
	case strings.HasPrefix(path, "cors."):
		return "write " + strconv.Quote(field) + " under cors, in a policy"
	case field == "cors":
		return `write "cors" in a policy: policies is a list, and each of them has a name and a cors of its own`
	case field == "policies" || field == "originGroups":
		return "write " + strconv.Quote(field) + " at the top of the file"
	}
	return "write " + strconv.Quote(field) + " in a policy, beside cors"
}
