// Package wire answers Envoy's questions from bytes to bytes: the messages of
// envoy.service.ext_proc.v3.ExternalProcessor and of
// envoy.service.auth.v3.Authorization. It reads the few fields that a decision
// needs straight from the encoding, and answers with what was encoded when the
// policies were loaded. It knows no transport: whoever has the bytes of a
// message calls [Exchange.Process] or [Exchange.Check].
//
// A message means what the generated code says it does: a field may come in any
// order and again, the last scalar counts, repeated messages merge, another
// member of a oneof replaces the one before, an unknown field is skipped (Protocol
// Buffers Encoding, "Last One Wins"). It is more lenient in one thing: a string
// that is not UTF-8 is read, for a header may be.
package wire
