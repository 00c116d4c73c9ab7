package wire_test

import (
	"math/rand/v2"
	"testing"
)

// FuzzProcess holds the package to the generated code: the same decision and
// the same answer for each message that the generated code accepts; for others
// a sound answer or none, and never a grant to an origin that is not in the
// message. A seed other than 0 mangles the messages.
func FuzzProcess(f *testing.F) {
	for _, c := range conversations() {
		first, second := c.encoded(f)[0], []byte(nil)
		if len(c.send) > 1 {
			second = c.encoded(f)[1]
		}
		f.Add(first, second, c.named, uint64(0))
		f.Add(first, second, c.named, uint64(1))
	}
	response := encoded(f, responseMessage(":status: 200"))
	for _, message := range oddEncodings() {
		f.Add(message, response, "", uint64(0))
	}
	for _, message := range malformed() {
		f.Add(message, response, "", uint64(0))
	}
	set := testSet(f)
	f.Fuzz(func(t *testing.T, first, second []byte, named string, seed uint64) {
		d := newDuel(t, set, named)
		defer d.exchange.End()
		if d.process(t, mangledBy(seed, first)) {
			d.process(t, mangledBy(seed, second))
		}
	})
}

// FuzzCheck does the same for ext_authz.
func FuzzCheck(f *testing.F) {
	for _, q := range questions() {
		f.Add(q.encoded(f), q.named, uint64(0))
		f.Add(q.encoded(f), q.named, uint64(1))
	}
	set := testSet(f)
	f.Fuzz(func(t *testing.T, message []byte, named string, seed uint64) {
		d := newDuel(t, set, named)
		defer d.exchange.End()
		d.check(t, mangledBy(seed, message))
	})
}

func mangledBy(seed uint64, message []byte) []byte {
	if seed == 0 {
		return message
	}
	return mangled(rand.New(rand.NewPCG(seed, 0)), message, nesting)
}
