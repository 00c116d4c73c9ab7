package explain

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// nearMiss says why p does not match o although it nearly does. If p is not near at all,
// the distance is 0.
func nearMiss(p policy.Pattern, o policy.Origin) (why string, distance int) {
	if p.Form == policy.FormAny || p.Form == policy.FormNull {
		return "", 0
	}
	var whys []string
	if p.Scheme != o.Scheme {
		whys = append(whys, o.Scheme+", not "+p.Scheme)
	}
	if p.Port != policy.AnyPort && p.Port != o.Port {
		whys = append(whys, "port differs: "+portText(o.Port)+", not "+portText(p.Port))
	}
	distance = len(whys)
	if !matchesHost(p, o) {
		hostWhy, far := hostNear(p, o.Host)
		if far == 0 {
			return "", 0
		}
		whys = append([]string{hostWhy}, whys...)
		distance += far
	}
	return strings.Join(whys, "; "), distance
}

func portText(port int) string {
	if port == 0 {
		return "the default one"
	}
	return strconv.Itoa(port)
}

// matchesHost compares the hosts alone.
func matchesHost(p policy.Pattern, o policy.Origin) bool {
	p.Scheme, p.Port = o.Scheme, o.Port
	return p.Matches(o)
}

// hostNear says why p does not match the host. If they have nothing in common, the
// distance is 0.
func hostNear(p policy.Pattern, host string) (why string, distance int) {
	if strings.Trim(host, ".") == "" {
		return "", 0 // an app's, as "app://.": it has no labels
	}
	switch p.Form {
	case policy.FormSubdomain:
		if host == p.Host {
			return "the apex is not covered by *.", 1
		}
	case policy.FormLabel:
		if why := labelMiss(p, host); why != "" {
			return why, 1
		}
	case policy.FormExact:
		if why, distance := exactMiss(p.Host, host); distance > 0 {
			return why, distance
		}
	}
	return lookalike(p.Host, host)
}

// labelMiss is for a star within a label.
func labelMiss(p policy.Pattern, host string) string {
	label, parent, _ := strings.Cut(host, ".")
	switch {
	case host == p.Host:
		return "the star's label is missing"
	case strings.HasSuffix(parent, "."+p.Host):
		return "the star is within one label, and the host has more labels before that"
	case parent != p.Host:
		return ""
	case !strings.HasPrefix(label, p.Prefix):
		return fmt.Sprintf("the label %s does not begin with %s", label, p.Prefix)
	case !strings.HasSuffix(label, p.Suffix):
		return fmt.Sprintf("the label %s does not end with %s", label, p.Suffix)
	case strings.Contains(label, "_"):
		return "the star does not cover an underscore"
	}
	return "nothing is left of the label " + label + " for the star"
}

// exactMiss is for an entry without a star, which covers one host.
func exactMiss(entry, host string) (why string, distance int) {
	_, entryParent, _ := strings.Cut(entry, ".")
	_, parent, _ := strings.Cut(host, ".")
	switch {
	case host == entry+".":
		return "the host has a dot at its end, which is another origin", 1
	case misspelt(entry, host):
		return "the host is spelled differently: " + host + ", not " + entry, 2
	case strings.HasSuffix(host, "."+entry):
		return "a subdomain is not covered by its parent", 2
	case strings.HasSuffix(entry, "."+host):
		return "the parent is not covered by its subdomain", 3
	case strings.Contains(parent, ".") && parent == entryParent:
		return "another host below " + parent, 4
	}
	return "", 0
}

// lookalike is for hosts that only look as if they belonged to another.
func lookalike(entry, host string) (why string, distance int) {
	switch {
	case entry == "":
	case strings.HasSuffix(host, entry):
		return host + " ends in " + entry + " without a dot before it: it is another domain", 3
	case strings.Contains("."+host, "."+entry+"."):
		return entry + " is within " + host + ", not at its end: it is another domain", 3
	case misspelt(entry, tail(host, strings.Count(entry, ".")+1)):
		return "the domain is spelled differently: " + tail(host, strings.Count(entry, ".")+1) + ", not " + entry, 3
	}
	return "", 0
}

// tail returns the last n labels of host.
func tail(host string, n int) string {
	at := len(host)
	for ; n > 0 && at >= 0; n-- {
		at = strings.LastIndexByte(host[:at], '.')
	}
	return host[at+1:]
}

// misspelt reports whether a and b differ in at most two neighbouring bytes: one letter
// too many, too few or wrong, or two letters exchanged.
func misspelt(a, b string) bool {
	const least = 5 // shorter names are all alike
	wrong, exchanged := policy.Slip(a, b)
	return min(len(a), len(b)) >= least && (wrong || exchanged)
}
