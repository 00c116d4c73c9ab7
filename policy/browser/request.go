package browser

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy"
)

// Credentials is a request's credentials mode (Fetch,
// #concept-request-credentials-mode).
type Credentials string

// The credentials modes. The zero Credentials is read as SameOrigin, the default
// of fetch; XMLHttpRequest has Include with withCredentials.
const (
	Omit       Credentials = "omit"
	SameOrigin Credentials = "same-origin"
	Include    Credentials = "include"
)

// Header is one header line.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Headers are header lines; names have no case.
type Headers []Header

// Get returns the value of that name, of several lines joined with ", ", and
// whether there is one (Fetch, #concept-header-list-get).
func (hs Headers) Get(name string) (string, bool) {
	var values []string
	for _, h := range hs {
		if strings.EqualFold(h.Name, name) {
			values = append(values, strings.Trim(h.Value, " \t\r\n"))
		}
	}
	return strings.Join(values, ", "), values != nil
}

// lines counts the lines of that name.
func (hs Headers) lines(name string) (n int) {
	for _, h := range hs {
		if strings.EqualFold(h.Name, name) {
			n++
		}
	}
	return n
}

// Request is a request that a page makes in the mode "cors".
type Request struct {
	// Engine makes the request.
	Engine Engine
	// Origin is the page's origin, "null" for an opaque one, and Target that of
	// the URL asked for; both serialized.
	Origin, Target string
	// Method is as the page wrote it, and Headers are those that the page set.
	Method      string
	Headers     Headers
	Credentials Credentials
	// UsePreflight is the use-CORS-preflight flag (Fetch,
	// #use-cors-preflight-flag): an upload has listeners.
	UsePreflight bool
	// Font tells that a style sheet asks for a font.
	Font bool
}

// Response is what answers a request. Headers are all that came, whether a page
// may see them or not.
type Response struct {
	Status  int
	Headers Headers
}

// isForbidden is Fetch, #forbidden-request-header: no page can set it.
func isForbidden(h Header) bool {
	name := strings.ToLower(h.Name)
	switch name {
	case "x-http-method", "x-http-method-override", "x-method-override":
		return slices.ContainsFunc(members(h.Value), policy.IsForbiddenMethod)
	}
	return policy.IsForbiddenRequestHeader(name)
}

// members returns the elements of a comma-separated list that are not empty.
func members(value string) []string {
	var list []string
	for element := range strings.SplitSeq(value, ",") {
		if element = strings.Trim(element, " \t"); element != "" {
			list = append(list, element)
		}
	}
	return list
}
