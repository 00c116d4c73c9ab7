// Package explain says why a page's request is allowed or blocked: which policy is
// chosen and why the others are not, which entry matches or nearly matches, the exact
// headers of the answers to the preflight and to the request, what a browser does with
// them, and what to add to allow the request. It asks the same policy.Set that serves, so
// that it explains what really happens.
package explain
