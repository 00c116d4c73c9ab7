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
	// MaxUnits is the number of units of a release.
	MaxUnits = 1_000_000
	// MaxText is the size of all files of a release.
	MaxText = 1 << 30
)

// codec compresses and decompresses. It is safe for concurrent use.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newCodec() *codec {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	decoder, err2 := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxUnitText))
	if err := errors.Join(err, err2); err != nil {
		panic(fmt.Sprintf("set up zstd: %v", err)) // the options are constants
	}
	return &codec{encoder, decoder}
}

// pack returns data as it is stored.
func (c *codec) pack(data []byte) []byte { return c.encoder.EncodeAll(data, nil) }

// unpack returns the data that packed stands for, which has a hash.
func (c *codec) unpack(packed []byte, hash string) ([]byte, error) {
	data, err := c.decoder.DecodeAll(packed, nil)
	if err != nil {
		return nil, err
	}
	if hashOf(data) != hash {
		return nil, errors.New("it has another hash than the one by which it is named")
	}
	return data, nil
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
