package server

import "strings"

// mergeVary returns the one Vary line that says what lines say and Origin too
// (Fetch, #cors-protocol-and-http-caches). It is empty when
// lines already do: they name Origin or are "*" (RFC 9110, section 12.5.5).
func mergeVary(lines []string) string {
	var members []string
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			member = strings.Trim(member, " \t")
			if member == "*" || strings.EqualFold(member, "origin") {
				return ""
			}
			if member != "" {
				members = append(members, member)
			}
		}
	}
	return strings.Join(append(members, "Origin"), ", ")
}
