package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

const originsField = "cors.allowOrigins"

// checkOrigins looks at each entry of allowOrigins. It keeps no pattern of an
// exact origin, so that a million of them cost little more than their text.
func (v *validator) checkOrigins() {
	list := v.s.CORS.AllowOrigins
	if len(list) == 0 && len(v.s.CORS.AllowOriginRegexes) == 0 && v.s.Mode != ModeOff {
		v.fail("origins-missing", originsField, "", "the policy allows no origin",
			`list some, or write ["*"] to share publicly, without credentials`)
	}
	stars := newStarred(list)
	seen := make(map[string]struct{}, len(list))
	for i, text := range list {
		known := len(seen)
		seen[text] = struct{}{}
		if len(seen) == known {
			v.warn("origin-redundant", at(originsField, i), text, "the origin is listed twice", "remove one")
			continue
		}
		v.checkOrigin(i, text, stars)
	}
}

func (v *validator) checkOrigin(i int, text string, stars starred) {
	field := at(originsField, i)
	p, err := ParsePattern(text)
	if bad, refused := errors.AsType[*PatternError](err); refused {
		v.fail(bad.Code, field, bad.Value, bad.Reason, bad.Hint)
		return
	}
	v.checkForm(field, text, p)
	if v.s.CORS.AllowCredentials {
		v.checkCredentials(field, text, p)
	}
	if hasEdgeHyphen(p) {
		v.warn("edge-hyphen", field, text, "a label of the host begins or ends with a hyphen, as hardly any does", "check that nothing is missing there")
	}
	if bare := unmapped(p); bare != p {
		v.warn("mapped-address", field, text, "this is an IPv4 address in the form of IPv6, under which hardly any page is served", didYouMean(bare.String()))
	}
	if web := webScheme(p.Scheme); web != p.Scheme {
		v.warnOfScheme(field, text, web)
	}
	if isSingleLabel(p) {
		// It is not a risk: nobody can have such a name in public, and in an intranet it is
		// what the author means.
		v.note("single-label-host", field, text, "the host has a single label, as in an intranet; no public site has", `write the whole host, such as "https://app.example.com", if it is one`)
	}
	if by, covered := stars.covering(p); covered {
		v.warn("origin-redundant", field, text, fmt.Sprintf("already covered by %q", clip(by.String())), "remove it")
	}
}

// warnOfScheme warns about text if its scheme was likely meant to be web.
func (v *validator) warnOfScheme(field, text, web string) {
	_, rest, _ := strings.Cut(text, "://")
	hint := "write " + web
	if meant := MeantPattern(web + "://" + rest); meant != "" {
		hint = didYouMean(meant)
	}
	v.warn("misspelt-scheme", field, text, "no browser has pages of this scheme, and hardly any app has", hint)
}

// unmapped returns p with the IPv4 address that its host maps into IPv6, if it
// does (RFC 4291, section 2.5.5.2).
func unmapped(p Pattern) Pattern {
	if !strings.HasPrefix(p.Host, "[") {
		return p
	}
	if a, err := netip.ParseAddr(strings.Trim(p.Host, "[]")); err == nil && a.Is4In6() {
		p.Host = a.Unmap().String()
	}
	return p
}

// checkForm has the rules of a pattern's form.
func (v *validator) checkForm(field, text string, p Pattern) {
	if isAnybodys(p.Scheme) {
		v.checkAnybodys(field, text, writers[p.Scheme])
	}
	switch p.Form {
	case FormNull:
		// Any page can make a sandboxed frame or a redirect that sends it.
		v.checkAnybodys(field, text, "every site can send this origin, as https://attacker.example does from a sandboxed frame")
	case FormAny:
		if len(v.s.CORS.AllowOrigins)+len(v.s.CORS.AllowOriginRegexes) > 1 {
			v.fail("star-not-alone", field, text, `"*" allows every origin and stands alone`, "remove it, or remove the others")
		}
	case FormAnyHost:
		if !v.s.CORS.AllowCredentials || v.s.OptsIn(OptInAnyOriginWithCredentials) {
			v.warn("any-host", field, text, "every site of this scheme is allowed"+suchAs(p), `list the hosts, or write "*" to share publicly`)
		}
	}
}

// checkAnybodys is for origins that say nothing about who wrote the page.
func (v *validator) checkAnybodys(field, text, reason string) {
	v.refuse(OptInNullOrigin, "origin-null", field, text, reason, `serve such pages from a policy with "*" and without credentials`)
	if v.s.CORS.AllowCredentials {
		v.warn("null-with-credentials", field, text, reason+", and could read your users' data", "leave allowCredentials out")
	}
}

// checkCredentials has the rules that hold if browsers send credentials.
func (v *validator) checkCredentials(field, text string, p Pattern) {
	exposed := "with allowCredentials every site could read your users' data" + suchAs(p)
	switch p.Form {
	case FormAny:
		// Fetch, #cors-protocol-and-credentials.
		v.refuse(OptInAnyOriginWithCredentials, "star-with-credentials", field, text, exposed,
			"list the origins, or leave allowCredentials out")
	case FormAnyHost:
		v.refuse(OptInAnyOriginWithCredentials, "any-host-with-credentials", field, text, exposed,
			"list the hosts, or leave allowCredentials out")
	}
	if p.Scheme == "http" && !isLocal(p.Host) {
		v.refuse(OptInInsecureOrigins, "insecure-origin", field, text,
			"whoever is on the network can write pages of this origin and use your users' credentials"+suchAs(p), httpsHint(p))
	}
	if p.Host != "" && !isLocal(p.Host) {
		v.checkTrust(field, text, p)
	}
}

// checkTrust warns about a pattern that trusts more than one host over https, unless the
// host is this machine.
func (v *validator) checkTrust(field, text string, p Pattern) {
	if p.Port == AnyPort {
		v.warn("any-port", field, text, "every service on any port of this host is trusted with credentials"+suchAs(p), "list the ports")
	}
	if p.Scheme == "https" && p.Form == FormExact && isIP(p.Host) {
		v.warn("ip-with-credentials", field, text, "an address may come to belong to somebody else", "write a host name")
	}
}

// suchAs names an origin that p should not allow. It returns nothing if that is p itself.
func suchAs(p Pattern) string {
	if p.Form == FormExact && p.Port != AnyPort {
		return ""
	}
	return ", such as " + quote(p.Hostile())
}

// httpsHint proposes the same pattern for https.
func httpsHint(p Pattern) string {
	p.Scheme = "https"
	if p.Port == defaultPort("https") {
		p.Port = 0
	}
	return "write " + quote(p.String())
}

// isLocal reports whether only this machine can serve host (Secure Contexts,
// section 3.1 "is origin potentially trustworthy").
func isLocal(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	host = strings.Trim(host, "[]")
	if !endsInNumber(host) && !strings.Contains(host, ":") {
		return false
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func isIP(host string) bool { return strings.HasPrefix(host, "[") || endsInNumber(host) }

// hasEdgeHyphen reports whether a label of a web origin's host begins or ends
// with a hyphen. Browsers send such hosts, but nobody can register a domain of
// them, and a template that filled in nothing leaves one.
func hasEdgeHyphen(p Pattern) bool {
	host := strings.TrimSuffix(p.Host, ".")
	return isSpecial(p.Scheme) &&
		(strings.HasPrefix(host, "-") || strings.HasSuffix(host, "-") || strings.Contains(host, "-.") || strings.Contains(host, ".-"))
}

// isSingleLabel reports whether p is a web origin like "https://intranet". Other
// schemes do have such hosts: "chrome-extension://...".
func isSingleLabel(p Pattern) bool {
	return p.Form == FormExact && (p.Scheme == "https" || p.Scheme == "http") &&
		!strings.Contains(strings.TrimSuffix(p.Host, "."), ".") && !isLocal(p.Host) && !isIP(p.Host)
}
