package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/contract"
)

// maxEntry bounds an entry in bytes: Envoy writes up to six for one.
const maxEntry = 128 << 10

// entry is one decision: what Envoy decided, with which set, and about which request.
type entry struct {
	set, policy string
	reason      policy.Reason
	request     policy.Request
	// clipped says that Envoy has not reported all of the request.
	clipped bool
}

// readEntry reads an entry as a compiled filter writes it. It ignores unknown members, and
// missing members are empty.
func readEntry(body string) (*entry, error) {
	if len(body) > maxEntry {
		return nil, fmt.Errorf("an entry of %d bytes, of which %d are read at most", len(body), maxEntry)
	}
	var members map[string]text
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		return nil, fmt.Errorf("not an object of texts: %w", err)
	}
	reason, known := reasons[string(members[contract.Reason])]
	switch {
	case members[contract.FedSet] == "":
		return nil, errors.New("no set")
	case !known:
		return nil, fmt.Errorf("the reason %q is not known", printable.Clip(string(members[contract.Reason])))
	}
	e := &entry{set: string(members[contract.FedSet]), policy: string(members[contract.Policy]), reason: reason}
	for _, in := range contract.FedInputs() {
		value := string(members[in.Key])
		*inputs[in.Key](&e.request) = value
		e.clipped = e.clipped || len(value) >= in.Most
	}
	return e, nil
}

// reasons are all reasons by their words.
var reasons = reasonsByWord()

func reasonsByWord() map[string]policy.Reason {
	words := map[string]policy.Reason{}
	for _, r := range policy.Reasons() {
		words[r.String()] = r
	}
	return words
}

// inputs say where in a request the inputs of contract.FedInputs belong.
var inputs = map[string]func(*policy.Request) *string{
	"host":                    func(r *policy.Request) *string { return &r.Authority },
	"path":                    func(r *policy.Request) *string { return &r.Path },
	"method":                  func(r *policy.Request) *string { return &r.Method },
	"origin":                  func(r *policy.Request) *string { return &r.Origin },
	"request_method":          func(r *policy.Request) *string { return &r.RequestMethod },
	"request_headers":         func(r *policy.Request) *string { return &r.RequestHeaders },
	"request_private_network": func(r *policy.Request) *string { return &r.RequestPrivateNetwork },
	"sec_fetch_site":          func(r *policy.Request) *string { return &r.SecFetchSite },
	"upgrade":                 func(r *policy.Request) *string { return &r.Upgrade },
	"protocol":                func(r *policy.Request) *string { return &r.Protocol },
}

// text is a string of JSON that has bytes of a request. If the bytes are not UTF-8, each
// byte above ASCII is escaped as in "\u00ff". If they are UTF-8, only ASCII characters are
// escaped.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	s := string(b)
	if s == "null" { // Envoy 1.39 writes it for a missing value
		*t = ""
		return nil
	}
	if len(s) < 2 || s[0] != '"' {
		return errors.New("a member that is not a text")
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		*t = text(s)
		return nil
	}
	var bytes []byte
	for s != "" {
		c, rest := unescape(s)
		bytes, s = append(bytes, c...), rest
	}
	*t = text(bytes)
	return nil
}

// unescape returns the first character of s, which is inside a string of JSON whose syntax
// has been checked.
func unescape(s string) (c, rest string) {
	if s[0] != '\\' {
		return s[:1], s[1:]
	}
	if s[1] != 'u' {
		return escapes[s[1]], s[2:]
	}
	n, _ := strconv.ParseUint(s[2:6], 16, 16) // four digits
	if n < 0x100 {
		return string([]byte{byte(n)}), s[6:]
	}
	return string(utf8.AppendRune(nil, rune(n))), s[6:]
}

// escapes are those of RFC 8259, section 7, except "\u".
var escapes = map[byte]string{'"': `"`, '\\': `\`, '/': "/", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t"}
