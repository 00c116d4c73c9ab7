// Package browsers holds the tests that let pages of real browsers call an
// application through a real Envoy with corsgate: what a policy means has to be
// what a page can and cannot do. Chromium is always asked, and Firefox and
// WebKitGTK with CORSGATE_TEST=full. Tests fail without a browser or an Envoy
// when CI=true, and are skipped elsewhere.
//
// Chromium is driven over the DevTools protocol, Firefox over Marionette, and
// WebKitGTK over that of its Web Inspector. All of them find the hosts of the
// tests by one SOCKS5 proxy.
package browsers
