// Package browser says what a web browser does with a request that a page makes
// and with the answers it gets: whether a preflight is sent and with which
// headers, whether the preflight's answer lets the request be sent, and whether
// the page may read what comes back. It is the browser's half of the Fetch
// standard's CORS protocol (https://fetch.spec.whatwg.org/#http-cors-protocol),
// with what engines do otherwise, and the words that each one writes into its
// console.
//
// It is pure: it sends nothing, and redirects and caches are its caller's.
package browser
