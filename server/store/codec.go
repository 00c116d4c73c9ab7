package store

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
)

// The bounds of releases.
const (
	// MaxUnit is the size of a unit in bytes as it is stored, compressed.
	MaxUnit = 1 << 20
	// MaxUnitText is the size of a unit's file.
	MaxUnitText = 64 << 20
	// MaxUnits is the number of units of a release. Its folder has a file more, and an
	// instance keeps a million.
	MaxUnits = 999_999
	// MaxText is the size of all units' files of a release.
	MaxText = 128 << 20
	// MaxObject is the size of an object as it is stored. It is that of a request of
	// etcd, and more than a record has that lists and holds the most that it may.
	MaxObject = 3 << 19
)

// codec compresses and decompresses. It is safe for concurrent use.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newCodec() *codec {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	decoder, err2 := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxUnitText), zstd.WithDecodeAllCapLimit(true))
	if err := errors.Join(err, err2); err != nil {
		panic(fmt.Sprintf("set up zstd: %v", err)) // the options are constants
	}
	return &codec{encoder, decoder}
}

// pack returns data as it is stored.
func (c *codec) pack(data []byte) []byte { return c.encoder.EncodeAll(data, nil) }

// unsaid is the size that data have at most if pack does not write it.
const unsaid = 255

// textSize returns the size that the data which packed stands for have at most. It is
// known before any memory is taken for them.
func textSize(packed []byte) (int, error) {
	if len(packed) > MaxUnit {
		return 0, fmt.Errorf("it has %d bytes, and may have %d", len(packed), MaxUnit)
	}
	if len(packed) == 0 {
		return 0, nil // that is what no data are packed to
	}
	var head zstd.Header
	if err := head.Decode(packed); err != nil {
		return 0, err
	}
	if !head.HasFCS {
		return unsaid, nil
	}
	if head.FrameContentSize > MaxUnitText {
		return 0, fmt.Errorf("it has %d bytes when it is decompressed, and may have %d", head.FrameContentSize, MaxUnitText)
	}
	return int(head.FrameContentSize), nil
}

// unpack returns the data that packed stands for, which has a hash and at most that size.
func (c *codec) unpack(packed []byte, hash string, size int) ([]byte, error) {
	data, err := c.decoder.DecodeAll(packed, make([]byte, 0, size))
	if err != nil {
		return nil, err
	}
	if hashOf(data) != hash {
		return nil, errors.New("it has another hash than the one by which it is named")
	}
	return data, nil
}

// checkBounds refuses a release that is beyond the bounds. size is how many bytes the
// unit of a hash has.
func checkBounds(m manifest, size func(hash string) int) error {
	if len(m) > MaxUnits {
		return tooLarge("%d policies and groups", MaxUnits)
	}
	all := 0
	for _, hash := range m {
		if all += size(hash); all > MaxText {
			return tooLarge("%d bytes of policies and groups", MaxText)
		}
	}
	return nil
}

func tooLarge(format string, most int) error {
	return fault(CodeTooLarge, "the release has more than "+format+": share it out among several fleets", most)
}

// checkUnit says what to do about a unit that no release can have.
func checkUnit(u policyfile.Unit, packed []byte) error {
	if len(u.Data) <= MaxUnitText && len(packed) <= MaxUnit {
		return nil
	}
	advice := "split the policy by its hosts or paths, or move its origins to groups"
	if u.Kind == policyfile.UnitGroup {
		advice = "split the group into several, and name all of them where it is used"
	}
	return fmt.Errorf("the %s %s has %d bytes, and %d compressed; a store takes %d and %d: %s",
		u.Kind, printable.Name(u.Name), len(u.Data), len(packed), MaxUnitText, MaxUnit, advice)
}
