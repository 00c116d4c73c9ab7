//go:build unix

package policy

import (
	"runtime/debug"
	"syscall"
	"testing"
	"unsafe"
)

// unreadable returns a string of n bytes that fault when they are read.
func unreadable(t *testing.T, n int) string {
	t.Helper()
	page, err := syscall.Mmap(-1, 0, n, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(page); err != nil {
			t.Error(err)
		}
	})
	return unsafe.String(unsafe.SliceData(page), n)
}

// TestDecideReadsNothingBeyondItsBounds gives it headers above the bounds whose
// bytes cannot be read at all: a decision that looks at one of them faults.
func TestDecideReadsNothingBeyondItsBounds(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	spec := exampleSpec()
	spec.DeniedRequests = DeniedBlock
	// A look-up among a handful would compare lengths first.
	spec.CORS.AllowOrigins = manyOrigins("https://t%d.example.com", 100)
	set := mustCompile(t, spec, Spec{Name: "public", CORS: CORS{AllowOrigins: []string{"*"}}})
	long := unreadable(t, 64<<10)
	request := Request{Method: "GET", Authority: "api.example.com", Path: "/v1", Origin: long}
	preflight := Request{Method: "OPTIONS", Authority: "api.example.com", Path: "/v1", Origin: long, RequestMethod: "PUT"}
	for name, c := range map[string]struct {
		r    Request
		want Reason
	}{
		"a request's origin":       {request, ReasonRequestBlocked},
		"a preflight's origin":     {preflight, ReasonPreflightMalformed},
		"a public policy's origin": {with(preflight, func(r *Request) { r.Authority = "other.test" }), ReasonPreflightMalformed},
		"requested headers":        {with(preflight, func(r *Request) { r.Origin, r.RequestHeaders = spec.CORS.AllowOrigins[0], long }), ReasonPreflightMalformed},
	} {
		if got := decideOrFault(set, &c.r); got != c.want.String() {
			t.Errorf("%s above its bound: %s, want %s", name, got, c.want)
		}
	}
}

func decideOrFault(set *Set, r *Request) (reason string) {
	defer func() {
		if recover() != nil {
			reason = "it was read"
		}
	}()
	d := set.Decide(r)
	return d.Reason.String()
}
