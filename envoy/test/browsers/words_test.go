package browsers

import fetch "github.com/corsgate/corsgate/policy/browser"

// said are the words that a cause has in the consoles, by the browser.
type said map[fetch.Engine]string

// blames are the words of the entry that tells the cause, whatever it is.
var blames = said{
	chromium: "CORS policy",
	firefox:  "Cross-Origin Request Blocked",
	webkit:   "Failed to load resource",
}

var (
	noOrigin = said{
		chromium: "No 'Access-Control-Allow-Origin' header is present",
		firefox:  "CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 200",
		webkit:   "is not allowed by Access-Control-Allow-Origin. Status code: 200",
	}
	// refused is a preflight that is denied without a word why: WebKit looks at
	// its status first, the others at the missing header.
	refused = said{
		chromium: "Response to preflight request doesn't pass access control check: No 'Access-Control-Allow-Origin' header is present",
		firefox:  "CORS header ‘Access-Control-Allow-Origin’ missing). Status code: 403",
		webkit:   "Preflight response is not successful. Status code: 403",
	}
	noCredentials = said{
		chromium: "The value of the 'Access-Control-Allow-Credentials' header in the response is ''",
		firefox:  "expected ‘true’ in CORS header ‘Access-Control-Allow-Credentials’",
		webkit:   `Credentials flag is true, but Access-Control-Allow-Credentials is not "true"`,
	}
	starWithCredentials = said{
		chromium: "must not be the wildcard '*' when the request's credentials mode is 'include'",
		firefox:  "Credential is not supported if the CORS header ‘Access-Control-Allow-Origin’ is ‘*’",
		webkit:   "Cannot use wildcard in Access-Control-Allow-Origin when credentials flag is true",
	}
)

// noMethod is a method that the preflight's answer does not list.
func noMethod(name string) said {
	return said{
		chromium: "Method " + name + " is not allowed by Access-Control-Allow-Methods in preflight response",
		firefox:  "Did not find method in CORS header ‘Access-Control-Allow-Methods’",
		webkit:   "Method " + name + " is not allowed by Access-Control-Allow-Methods",
	}
}
