package policyfile

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// maxNames is how many names a label may have, besides those that are listed, and still
// be fixed, like "app[1-9]". Of more names, nobody owns all.
const maxNames = 9

// maxWork bounds what workFor returns, and so the memory that it takes.
const maxWork = 1 << 18

// workFor bounds how many places of a regex are looked at. Each place counts once for every
// text that may be on its right. A list of names needs few for each byte.
func workFor(expr string) int { return min(1<<13+16*len(expr), maxWork) }

// errTooBig is for a regex that would take more work.
var errTooBig = errors.New("the regex is too big to be judged: whether it accepts names of others below a public suffix is not known")

// regexReason is suffixReason for a regex: it says why others can have an origin that the
// regex accepts, and names one. That is so if the regex leaves a label of the host open,
// like the star of a pattern, and fixes the rest of the host to a public suffix. A label is
// fixed if it is one of some names that are written out.
func regexReason(expr string) (reason, witness string, err error) {
	accepts := policy.RegexAccepts(expr)
	if accepts == nil {
		return "", "", nil // policy.Validate says so
	}
	work := workFor(expr)
	r := reverse(expr, work)
	if r == nil {
		return "", "", errTooBig
	}
	s := suffixSearch{regex: r, accepts: accepts, work: work, seen: map[suffixState]bool{}}
	s.visit(suffixState{at: r.end, names: 1})
	for len(s.queue) > 0 && s.witness == "" {
		if s.work--; s.work <= 0 {
			return "", "", errTooBig
		}
		s.leave(s.queue[0])
		s.queue = s.queue[1:]
	}
	return s.reason, s.witness, nil
}

// suffixSearch reads the hosts that a regex accepts from the right, up to their
// first label that is open.
type suffixSearch struct {
	regex           *reversed
	accepts         func(origin string) bool
	work            int
	seen            map[suffixState]bool
	queue           []suffixState
	reason, witness string
}

// suffixState is a place of the regex, and the text that was read on its right: the end
// of a host, or digits that may be a port.
type suffixState struct {
	at          *node
	right, port string
	inPort      bool
	names       int // how many the label may have so far
}

func (s *suffixSearch) visit(st suffixState) {
	if !s.seen[st] && len(st.right)+len(st.port) <= maxHost {
		s.seen[st] = true
		s.queue = append(s.queue, st)
	}
}

// maxHost is longer than a host with a port.
const maxHost = 260

func (s *suffixSearch) leave(st suffixState) {
	for _, step := range st.at.steps {
		next := st
		next.at = step.to
		switch {
		case step.runes == nil:
			s.visit(next)
		case st.inPort:
			s.readPort(next, step)
		default:
			if st.right == "" {
				s.readPort(next, step)
			}
			s.readDot(next, step)
			s.readLabel(st, next, step)
		}
	}
}

// readPort reads one of the digits that may be there, or the colon.
func (s *suffixSearch) readPort(next suffixState, by step) {
	if c, found := by.first("1234567890"); found && len(next.port) < len("65535") {
		digit := next
		digit.inPort, digit.port = true, string(c)+next.port
		s.visit(digit)
	}
	if next.inPort && by.has(':') {
		next.inPort, next.port = false, ":"+next.port
		s.visit(next)
	}
}

// readDot goes on if others can have names below the host that was read.
func (s *suffixSearch) readDot(next suffixState, by step) {
	if !by.has('.') || strings.HasPrefix(next.right, ".") {
		return
	}
	if next.right != "" {
		if reason, _ := suffixReason(hostOf(next.right)); reason == "" {
			return
		}
	}
	next.right, next.names = "."+next.right, 1
	s.visit(next)
}

// readLabel reads each character of a label that is fixed so far.
func (s *suffixSearch) readLabel(st, next suffixState, by step) {
	if next.names *= by.names; next.names > maxNames {
		s.readOpen(st, by)
		return
	}
	for _, c := range by.oneOf(labelChars) {
		next.right = string(c) + st.right
		s.visit(next)
	}
}

// readOpen is for a label that is open at by. If nothing is right of it, no
// suffix is fixed: policy.Validate warns of that.
func (s *suffixSearch) readOpen(st suffixState, by step) {
	_, right, _ := strings.Cut(st.right, ".")
	if right == "" {
		return
	}
	reason, below := suffixReason(hostOf(right))
	c, _ := by.first(labelChars)
	text := s.regex.toStart(by.to, string(c)+st.right+st.port, &s.work)
	if s.witness = s.choose(text, right, below); s.witness != "" {
		s.reason = reason
	}
}

// choose returns text, or a similar origin that shows the problem better. It is empty if
// neither is accepted. The label left of right is the open one.
func (s *suffixSearch) choose(text, right, below string) string {
	o, err := policy.ParseOrigin(text)
	if err != nil || isIPv4(o.Host) {
		return ""
	}
	left, label := cutLabel(strings.TrimSuffix(o.Host, "."+right))
	hosts := []string{"attacker." + below}
	for _, name := range []string{"attacker", "-attacker", "attacker-"} { // hyphens bound words
		for i := range len(label) {
			hosts = append(hosts, left+label[:i]+name+label[i+1:]+"."+right)
		}
	}
	for _, host := range append(hosts, o.Host) {
		for _, scheme := range []string{"https", o.Scheme} {
			named := policy.Origin{Scheme: scheme, Host: host, Port: o.Port}.String()
			if s.accepts(named) {
				return named
			}
		}
	}
	return ""
}

func isIPv4(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// cutLabel cuts the last label off host; left keeps its dot.
func cutLabel(host string) (left, label string) {
	dot := strings.LastIndexByte(host, '.')
	return host[:dot+1], host[dot+1:]
}

// regexFindings are the codes of what is said of regexes, by their place.
type regexFindings map[regexPlace]string

// regexPlace is the place of a regex in the specs.
type regexPlace struct {
	spec  int
	field string
}

// note enters what p says, if it is about a regex.
func (f regexFindings) note(p policy.Problem) {
	if p.Code == "public-suffix" || p.Code == "regex-too-big" {
		f[regexPlace{p.Spec, p.Field}] = p.Code
	}
}

// cover reports whether p says no more of a regex than what is noted: what it
// accepts because it is open over a public suffix, or that it is too big.
func (f regexFindings) cover(p policy.Problem) bool {
	switch noted := f[regexPlace{p.Spec, p.Field}]; p.Code {
	case "regex-hostile", "regex-open-dot":
		return noted == "public-suffix"
	case "regex-too-big":
		return noted != ""
	}
	return false
}
