package wire

// mode is what a message tells of the filter that asks: Envoy says some of its
// processing_mode in the first message of a stream, and nothing in later ones.
type mode struct {
	requestBody, responseBody int32 // ProcessingMode.BodySendMode
	// sendBody is send_body_without_waiting_for_header_response, which Envoy
	// ignores if it sends no bodies.
	sendBody bool
	ignored  bool
}

// readProtocol reads a ProtocolConfiguration.
func (m *incoming) readProtocol(b []byte) {
	f := fields{rest: b}
	for f.next() {
		switch {
		case f.isVarint(protocolRequestBody):
			m.mode.requestBody = int32(f.varint())
		case f.isVarint(protocolResponseBody):
			m.mode.responseBody = int32(f.varint())
		case f.isVarint(protocolSendBody):
			m.mode.sendBody = f.varint() != 0
		}
	}
	m.note(&f)
}

// applies tells that Envoy itself writes the headers of the response, as the
// generated configuration of one-trip says by what has no other meaning there.
func (m *mode) applies() bool { return m.requestBody == bodyNone && m.sendBody }

// FullDuplex reports whether the message that was last given to Process says
// that Envoy hands bodies over and takes what comes back for them, which is
// nothing.
func (x *Exchange) FullDuplex() bool {
	return max(x.in.mode.requestBody, x.in.mode.responseBody) >= bodyFullDuplexStreamed
}

// Ignored reports whether the message that was last given to Process says that
// Envoy ignores the answers.
func (x *Exchange) Ignored() bool { return x.in.mode.ignored }

// Awaits reports whether the response's headers are still to come, which nobody
// but the service edits.
func (x *Exchange) Awaits() bool { return x.decision.Answer != nil && !x.done && !x.applied }
