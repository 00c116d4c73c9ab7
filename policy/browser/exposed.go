package browser

import "strings"

// safelistedResponse is Fetch, #cors-safelisted-response-header-name.
var safelistedResponse = map[string]bool{
	"cache-control": true, "content-language": true, "content-length": true, "content-type": true,
	"expires": true, "last-modified": true, "pragma": true,
}

// Readable returns the lines of an answer that was not blocked which the page
// can see (Fetch, #concept-filtered-response-cors), and the names of the rest.
func (p *Plan) Readable(r Response) (seen Headers, hidden []string) {
	value, _ := r.Headers.Get("Access-Control-Expose-Headers")
	exposed := map[string]bool{}
	for _, name := range members(strings.ToLower(value)) {
		exposed[name] = true
	}
	// "*" does not hold with credentials (Fetch, #main-fetch).
	all := exposed["*"] && p.credentials != Include
	for _, h := range r.Headers {
		name := strings.ToLower(h.Name)
		// Fetch, #forbidden-response-header-name.
		forbidden := name == "set-cookie" || name == "set-cookie2"
		if !forbidden && (!p.CrossOrigin || all || exposed[name] || safelistedResponse[name]) {
			seen = append(seen, h)
			continue
		}
		hidden = append(hidden, name)
	}
	return seen, hidden
}
