package server

import (
	"log/slog"
	"sync/atomic"

	"github.com/corsgate/corsgate/server/wire"
)

// Misuse is a way to ask by ext_proc that makes the answers useless.
type Misuse uint8

// The ways that can be recognised by what Envoy sends.
const (
	// MisuseFullDuplex sends bodies, and replaces them by the bodies that come back.
	MisuseFullDuplex Misuse = iota
	// MisuseIgnored does not use the answers.
	MisuseIgnored
	// MisuseNoResponses does not send the responses whose headers corsgate has to edit.
	MisuseNoResponses

	Misuses // how many there are
)

// misuses are the word, the effect and the correction of each Misuse.
var misuses = [Misuses]struct{ word, effect, hint string }{
	MisuseFullDuplex: {"full_duplex_bodies", "Envoy takes bodies from corsgate, which sends none: they are lost",
		"set request_body_mode and response_body_mode of processing_mode to NONE"},
	MisuseIgnored: {"answers_ignored", "Envoy does not use the answers",
		"switch observability_mode off"},
	MisuseNoResponses: {"no_responses", "Envoy shows no response headers, so that responses get no CORS headers and keep the upstream's",
		"set response_header_mode of processing_mode to SEND, or use the filters that 'corsgate envoy-config' prints"},
}

// String returns the misuse's word, such as "no_responses".
func (m Misuse) String() string {
	if m >= Misuses {
		return "unknown"
	}
	return misuses[m].word
}

// MisuseStatus says how often Envoy asked in a way that makes the answers useless.
type MisuseStatus struct {
	Kind    string `json:"kind"`
	Streams uint64 `json:"streams"`
	Effect  string `json:"effect"`
	Hint    string `json:"hint"`
}

// endsInARow is how many streams in a row must end without their response before that
// counts as a misuse. A client that goes away ends one, too, and a user who leaves a page
// ends a few.
const endsInARow = 10

// misuse finds misuses, counts them, and warns about each kind once.
type misuse struct {
	streams [Misuses]atomic.Uint64
	ends    atomic.Int64 // the streams in a row that ended without their response
	meter   Meter
	log     *slog.Logger
}

// begun looks at a stream's first message.
func (u *misuse) begun(x *wire.Exchange) {
	if x.FullDuplex() {
		u.found(MisuseFullDuplex)
	}
	if x.Ignored() {
		u.found(MisuseIgnored)
	}
}

// answered looks at what a stream was last asked.
func (u *misuse) answered(x *wire.Exchange) {
	if x.Kind() == wire.KindResponseHeaders && u.ends.Load() != 0 {
		u.ends.Store(0)
	}
}

// ended looks at a stream that has ended.
func (u *misuse) ended(x *wire.Exchange) {
	if x.Awaits() && u.ends.Add(1) >= endsInARow {
		u.found(MisuseNoResponses)
	}
}

func (u *misuse) found(m Misuse) {
	u.meter.Misused(m)
	if u.streams[m].Add(1) == 1 {
		u.log.Warn(misuses[m].effect, "ext_proc", m.String(), "hint", misuses[m].hint)
	}
}

// status returns the kinds that were found.
func (u *misuse) status() (found []MisuseStatus) {
	for m := range Misuses {
		if n := u.streams[m].Load(); n > 0 {
			found = append(found, MisuseStatus{Kind: m.String(), Streams: n, Effect: misuses[m].effect, Hint: misuses[m].hint})
		}
	}
	return found
}
