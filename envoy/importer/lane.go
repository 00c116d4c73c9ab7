package importer

import (
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// lane is a route with the hosts and paths that corsgate can express.
type lane struct {
	route    *source.Route
	config   int       // which configuration it is of
	hosts    []string  // in lower case; "" is every host
	left     []leftOut // paths that no policy can have
	rank     int       // its place in the order of precedence
	paths    []path
	answer   *answer  // nil if the system adds nothing
	scopes   []scope  // where it answers
	reached  bool     // the system chooses it for some requests
	policies []string // the names of its policies
	findings []source.Finding
}

// grants reports whether the system grants something there, if only to origins that are left out.
func (l *lane) grants() bool { return l != nil && l.route.CORS != nil && l.route.CORS.Mode == "" }

// acts reports whether a policy grants something there.
func (l *lane) acts() bool { return l != nil && l.answer != nil && l.answer.live() }

// waits reports whether its policy is off, and has what was likely meant.
func (l *lane) waits() bool {
	return l != nil && l.answer != nil && !l.answer.live() && len(l.answer.spec.CORS.AllowOrigins) > 0
}

// isPiece reports whether a lane is of a piece of a configuration, which has neither hosts
// nor a name, and nobody has told that.
func (l *lane) isPiece() bool {
	return l.acts() && len(l.policies) > 0 && l.route.Name == "" && len(l.route.Hosts) == 0 &&
		!slices.ContainsFunc(l.route.Findings, func(f source.Finding) bool { return f.Field == hostsField })
}

// tell adds a finding at a place, once.
func (l *lane) tell(f source.Fidelity, at source.Text, field, message, hint string) {
	found := source.Finding{Fidelity: f, Place: at.Place, Field: field, Value: at.Text, Message: message, Hint: hint}
	if !slices.Contains(l.findings, found) {
		l.findings = append(l.findings, found)
	}
}

// newLane returns what is left of a route if hosts and paths are left out that no policy
// can have.
func newLane(config int, r *source.Route) *lane {
	l := &lane{route: r, config: config}
	for _, h := range r.Hosts {
		l.addHost(h)
	}
	if len(r.Hosts) == 0 {
		l.hosts = []string{""}
	}
	for _, p := range r.Paths {
		l.addPath(p)
	}
	if len(r.Paths) == 0 {
		every, _ := readPath(source.Path{Text: source.Text{Place: r.Place, Text: "/"}, Kind: source.Segments})
		l.paths = []path{every}
	}
	return l
}

// Fields of a policy.
const (
	pathsField = "paths"
	hostsField = "hosts"
)

// port finds the port behind a host.
var port = regexp.MustCompile(`:(\d+|\*)$`)

func (l *lane) addHost(text string) {
	at := source.Text{Place: l.route.Place, Text: text}
	host := strings.TrimSuffix(strings.ToLower(text), ".")
	if p := port.FindString(host); p != "" && !strings.HasSuffix(host, "::"+p[1:]) {
		host = strings.TrimSuffix(host, p)
		l.tell(source.Decide, at, hostsField, "policies have no ports: this one covers the host on every port", "")
	}
	if host == "*" {
		host = ""
	} else if p, bad := problem(policy.Spec{Hosts: []string{host}}); bad {
		l.tell(source.Decide, at, hostsField, "the host is left out: "+p.Reason, p.Hint)
		return
	}
	l.hosts = append(l.hosts, host)
}

// leftOut is a path that no policy can have, and why.
type leftOut struct {
	source.Path
	why, hint string
}

func (l *lane) addPath(listed source.Path) {
	p, ok := readPath(listed)
	if !ok {
		l.left = append(l.left, leftOut{listed, "a policy has no regex for paths: ", "write the paths that are meant into the policy by hand: one covers all that is below it"})
		return
	}
	if p.Text.Text == "" {
		p.Text.Text = "/"
	}
	if bad, refused := problem(policy.Spec{Paths: []string{p.Text.Text}}); refused {
		l.left = append(l.left, leftOut{listed, bad.Reason + ": ", bad.Hint})
		return
	}
	l.paths = append(l.paths, p)
}

// problem returns the first error of a policy that has s's hosts and paths.
func problem(s policy.Spec) (p policy.Problem, bad bool) {
	s.Name, s.Mode = "a", policy.ModeOff
	_, found := policy.Validate([]policy.Spec{s})
	for _, p := range found {
		if p.Level == policy.Error {
			return p, true
		}
	}
	return policy.Problem{}, false
}

// normalPath returns a path as a policy has it, without a trailing slash but for the root.
func normalPath(path string) string {
	valid, _ := policy.Validate([]policy.Spec{{Name: "a", Mode: policy.ModeOff, Paths: []string{path}}})
	if valid == nil {
		return path
	}
	return valid.Specs()[0].Paths[0]
}

// name says in a message which lane it is.
func (l *lane) name() string {
	if len(l.policies) > 0 {
		return "policy " + l.policies[0]
	}
	if l.route.Name != "" {
		return "the route " + l.route.Name
	}
	return "the route at " + l.route.Place.String()
}
