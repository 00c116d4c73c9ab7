package server

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/corsgate/corsgate/policy"
)

// The request headers that a decision looks at.
const (
	fieldMethod = iota
	fieldAuthority
	fieldPath
	fieldProtocol
	fieldHost
	fieldOrigin
	fieldRequestMethod
	fieldRequestHeaders
	fieldRequestPrivateNetwork
	fieldSecFetchSite
	fieldUpgrade

	fieldCount
)

var requestFields = map[string]int{
	":method":                                fieldMethod,
	":authority":                             fieldAuthority,
	":path":                                  fieldPath,
	":protocol":                              fieldProtocol,
	"host":                                   fieldHost,
	"origin":                                 fieldOrigin,
	"access-control-request-method":          fieldRequestMethod,
	"access-control-request-headers":         fieldRequestHeaders,
	"access-control-request-private-network": fieldRequestPrivateNetwork,
	"sec-fetch-site":                         fieldSecFetchSite,
	"upgrade":                                fieldUpgrade,
}

// requestHeaders collects request headers one by one.
type requestHeaders [fieldCount]struct {
	value   string
	present bool
}

// add takes one header; a repeated one is joined with "," (RFC 9110, section
// 5.3), so that two Origin lines never look like one origin.
func (h *requestHeaders) add(name, value string) {
	i, known := requestFields[strings.ToLower(name)]
	if !known {
		return
	}
	f := &h[i]
	if f.present {
		value = f.value + "," + value
	}
	f.value, f.present = value, true
}

func (h *requestHeaders) addAll(m *corev3.HeaderMap) {
	for _, e := range m.GetHeaders() {
		h.add(e.GetKey(), headerValue(e))
	}
}

// request returns what was collected, for the policy of that name.
func (h *requestHeaders) request(named string) policy.Request {
	authority := h[fieldAuthority].value
	if authority == "" {
		authority = h[fieldHost].value
	}
	return policy.Request{
		Policy:                named,
		Method:                h[fieldMethod].value,
		Authority:             authority,
		Path:                  h[fieldPath].value,
		Protocol:              h[fieldProtocol].value,
		Origin:                h[fieldOrigin].value,
		RequestMethod:         h[fieldRequestMethod].value,
		RequestHeaders:        h[fieldRequestHeaders].value,
		RequestPrivateNetwork: h[fieldRequestPrivateNetwork].value,
		SecFetchSite:          h[fieldSecFetchSite].value,
		Upgrade:               h[fieldUpgrade].value,
	}
}

// headerValue returns the value of e: Envoy fills raw_value, other data planes
// value.
func headerValue(e *corev3.HeaderValue) string {
	if raw := e.GetRawValue(); len(raw) > 0 {
		return string(raw)
	}
	return e.GetValue()
}

// headerLines returns the values of all headers of that lower-case name.
func headerLines(m *corev3.HeaderMap, name string) []string {
	var lines []string
	for _, e := range m.GetHeaders() {
		if strings.EqualFold(e.GetKey(), name) {
			lines = append(lines, headerValue(e))
		}
	}
	return lines
}
