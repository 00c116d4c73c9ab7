// Package paste reads requests as people copy them out of a browser's developer
// tools ("Copy as cURL", "Copy as fetch", a HAR file) and makes questions for
// package explain of them. It runs nothing and asks nobody.
package paste
