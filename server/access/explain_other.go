//go:build !unix

package access

// Explain returns err: what is missing is told on Unix alone.
func Explain(err error, _ string) error { return err }
