package store

import (
	"fmt"

	"github.com/corsgate/corsgate/server/live"
)

// The codes of the faults of a store, see live.Fault.
const (
	// CodeUnreachable is for a store that does not answer, or does not let its user in.
	CodeUnreachable = "store_unreachable"
	// CodeEmpty is for a store that nothing was pushed to.
	CodeEmpty = "store_empty"
	// CodeRegressed is for a store that has lost the release that was read from it.
	CodeRegressed = live.CodeRegressed
	// CodeVersion is for objects of a newer format.
	CodeVersion = "unsupported_version"
	// CodeTarget, CodeRecord, CodeCheckpoint and CodeUnit are for objects that do not say
	// what their hash or their format demands.
	CodeTarget     = "target_corrupt"
	CodeRecord     = "record_corrupt"
	CodeCheckpoint = "checkpoint_corrupt"
	CodeUnit       = "unit_corrupt"
	// CodeRecordMissing and CodeUnitMissing are for objects that a release needs and that
	// are not there.
	CodeRecordMissing = "record_missing"
	CodeUnitMissing   = "unit_missing"
	// CodeRoot is for a release that is not the one whose record says so.
	CodeRoot = "root_mismatch"
	// CodeTooLarge is for a release beyond the bounds.
	CodeTooLarge = "release_too_large"
)

// Codes returns all codes of faults.
func Codes() []string {
	return []string{
		CodeUnreachable, CodeEmpty, CodeRegressed, CodeVersion, CodeTarget, CodeRecord, CodeCheckpoint, CodeUnit,
		CodeRecordMissing, CodeUnitMissing, CodeRoot, CodeTooLarge,
	}
}

// fault returns a live.Fault with a text.
func fault(code, format string, args ...any) *live.Fault {
	return &live.Fault{Code: code, Err: fmt.Errorf(format, args...)}
}
