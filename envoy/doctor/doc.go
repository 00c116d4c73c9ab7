// Package doctor says what is wrong with a running Envoy: it reads what Envoy's admin
// listener tells, or a bootstrap, and holds it to what corsgate's filters need. What it
// reads is hostile input, and its values are not repeated: findings have names, places,
// headers and durations.
package doctor
