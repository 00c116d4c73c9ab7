package wire

import (
	"bytes"
)

// appendVary appends what makes Vary say Origin besides what lines, the
// upstream's, say (Fetch, #cors-protocol-and-http-caches): nothing if they
// do already, else one line.
func appendVary(b []byte, lines [][]byte) []byte {
	if len(lines) == 0 {
		// Appended, not set: forward_rules may hide the upstream's.
		return inMutation.append(b, "vary", "Origin")
	}
	if saysOrigin(lines) {
		return b
	}
	b, content := begin(b, mutationSet)
	b, header := begin(b, optionHeader)
	b, value := begin(appendText(b, headerKey, "vary"), headerRawValue)
	b = end(end(appendMerged(b, lines), value), header)
	return end(appendNumber(b, optionAppendAction, overwriteIfExistsOrAdd), content)
}

// saysOrigin reports whether a member of lines is Origin or "*" (RFC 9110,
// section 12.5.5).
func saysOrigin(lines [][]byte) bool {
	for _, line := range lines {
		for len(line) > 0 {
			var member []byte
			member, line = cutMember(line)
			if string(member) == "*" || bytes.EqualFold(member, []byte("origin")) {
				return true
			}
		}
	}
	return false
}

// appendMerged appends the members of lines, and Origin.
func appendMerged(b []byte, lines [][]byte) []byte {
	for _, line := range lines {
		for len(line) > 0 {
			var member []byte
			member, line = cutMember(line)
			if len(member) > 0 {
				b = append(append(b, member...), ", "...)
			}
		}
	}
	return append(b, "Origin"...)
}

func cutMember(line []byte) (member, rest []byte) {
	member, rest, _ = bytes.Cut(line, []byte(","))
	return bytes.Trim(member, " \t"), rest
}
