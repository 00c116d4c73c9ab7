// Package explain says why a page's request is allowed or blocked: which policy
// is chosen and which were not, what of it matches or nearly does, the exact
// headers of the preflight's answer and of the request's, what a browser makes
// of them, and what would have to be added to allow it. It asks the same
// policy.Set that serves, so that what it explains is what happens.
package explain
