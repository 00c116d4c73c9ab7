package server

import (
	"time"

	"github.com/corsgate/corsgate/server/wire"
)

// PassThrough says why the service ended a stream so that Envoy goes on without
// it.
type PassThrough uint8

// Why the service may end a stream.
const (
	// PassAnswered is the normal end: nothing is left to say.
	PassAnswered PassThrough = iota
	// PassUnknownMessage is a message of no known kind.
	PassUnknownMessage
	// PassPanic is a bug of the service; the log has it.
	PassPanic

	PassThroughs // how many there are
)

var passThroughWords = [PassThroughs]string{
	PassAnswered:       "answered",
	PassUnknownMessage: "unknown_message",
	PassPanic:          "panic",
}

// String returns the cause's word, such as "answered".
func (p PassThrough) String() string {
	if p >= PassThroughs {
		return "unknown"
	}
	return passThroughWords[p]
}

// Meter measures what happens on the wire. The goroutines of requests call it
// concurrently, so it must not block.
type Meter interface {
	// StreamStarted and StreamEnded are called once for each ext_proc stream.
	StreamStarted()
	StreamEnded()
	// FirstMessage is called for the first message of each stream that has one.
	FirstMessage(wire.Kind)
	// Answered is called for each answer that was handed to the transport: took
	// is the time since the whole question was there. A kind is never
	// wire.KindUnknown, for those are not answered.
	Answered(kind wire.Kind, took time.Duration)
	// PassedThrough is called for each stream that the service ended.
	PassedThrough(PassThrough)
	// UpstreamCORS is called for each response that came with CORS headers of
	// the upstream's own, as far as Envoy shows them, which only two-phase does.
	// The policy's name is a string of the set; empty means none.
	UpstreamCORS(policy string)
	// Misused is called for each stream that makes its answers useless.
	Misused(Misuse)
}

// noMeter stands in for a nil Meter.
type noMeter struct{}

func (noMeter) StreamStarted()                    {}
func (noMeter) StreamEnded()                      {}
func (noMeter) FirstMessage(wire.Kind)            {}
func (noMeter) Answered(wire.Kind, time.Duration) {}
func (noMeter) PassedThrough(PassThrough)         {}
func (noMeter) UpstreamCORS(string)               {}
func (noMeter) Misused(Misuse)                    {}

// orNoMeter lets a nil Meter mean that nobody is told.
func orNoMeter(m Meter) Meter {
	if m == nil {
		return noMeter{}
	}
	return m
}
