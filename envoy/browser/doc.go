// Package browser holds the tests that let pages of a real Chromium call an
// application through a real Envoy with corsgate: what a policy means has to be
// what a page can and cannot do. They fail without a Chromium or an Envoy when
// CI=true, and are skipped elsewhere.
package browser
