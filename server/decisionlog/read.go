package decisionlog

import (
	"encoding/json"
	"strconv"

	"github.com/corsgate/corsgate/policy"
)

// Entry is what a line says of a decision. Its values may be quoted as in Go.
type Entry struct {
	Time           string `json:"time"`
	Decided        string `json:"decided,omitempty"`
	Policy         string `json:"policy,omitempty"`
	Reason         string `json:"reason"`
	Origin         string `json:"origin,omitempty"`
	Method         string `json:"method"`
	Host           string `json:"host"`
	Path           string `json:"path,omitempty"`
	RequestMethod  string `json:"request_method,omitempty"`
	RequestHeaders string `json:"request_headers,omitempty"`
	SecFetchSite   string `json:"sec_fetch_site,omitempty"`
	Upgrade        string `json:"upgrade,omitempty"`
	Protocol       string `json:"protocol,omitempty"`
	NamedPolicy    string `json:"named_policy,omitempty"`
	// Clipped says that a value was too long for the log.
	Clipped       bool   `json:"clipped,omitempty"`
	ShadowPolicy  string `json:"shadow_policy,omitempty"`
	ShadowReason  string `json:"shadow_reason,omitempty"`
	ShadowDiffers bool   `json:"shadow_differs,omitempty"`
}

// Read reads a line. ok is false if it is not one of a decision log.
func Read(line []byte) (e Entry, ok bool) {
	err := json.Unmarshal(line, &e)
	return e, err == nil && e.Method != "" && e.Host != ""
}

// Request returns the request that was decided about.
func (e *Entry) Request() policy.Request {
	return policy.Request{
		Policy: e.NamedPolicy,
		Method: e.Method, Authority: unquoted(e.Host), Path: unquoted(e.Path), Origin: unquoted(e.Origin),
		RequestMethod: unquoted(e.RequestMethod), RequestHeaders: unquoted(e.RequestHeaders),
		SecFetchSite: unquoted(e.SecFetchSite), Upgrade: unquoted(e.Upgrade), Protocol: unquoted(e.Protocol),
	}
}

// unquoted returns the bytes of a value that the log has quoted as Go does.
func unquoted(s string) string {
	if !IsQuoted(s) {
		return s
	}
	if text, err := strconv.Unquote(s); err == nil {
		return text
	}
	return s
}
