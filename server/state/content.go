package state

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
)

// The bounds of what is kept.
const (
	// MaxFiles is how many files a set has.
	MaxFiles = 1_000_000
	// MaxBytes is how many bytes these have together.
	MaxBytes = 2 << 30
	// maxGeneration is the size of a generation. It is never reached: a generation ends
	// at twice the size that it began with.
	maxGeneration = 3 * MaxBytes
)

// commit is what the frame says that ends a set.
type commit struct {
	At      time.Time    `json:"at"`
	Release live.Release `json:"release,omitzero"`
	// Served is the last release of a store, also if policies of another source are kept,
	// and Lost tells that the store has lost it.
	Served live.Release `json:"served,omitzero"`
	Lost   bool         `json:"lost,omitempty"`
	// Files is the manifest's sum, in hexadecimal.
	Files string `json:"files"`
}

// A commit begins so, and its frame is not larger.
const (
	commitBegin = `{"at":`
	maxCommit   = 64 << 10
)

// sumOfAll returns the sum of all names and contents.
func sumOfAll(files map[string]sum) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		s := files[name]
		fmt.Fprintf(h, "%x %q\n", s, name)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// sums returns the sum of each file, or why they cannot be kept.
func sums(files []live.File) (map[string]sum, error) {
	if len(files) == 0 {
		return nil, errors.New("the source does not tell its files, please report it")
	}
	list, total := map[string]sum{}, int64(0)
	for _, f := range files {
		list[f.Name] = sha256.Sum256(f.Data)
		total += int64(len(f.Data))
	}
	if len(list) > MaxFiles || total > MaxBytes {
		return nil, fmt.Errorf("%d files with %d bytes are too many: at most %d files with %d bytes are kept", len(list), total, MaxFiles, MaxBytes)
	}
	return list, nil
}

// packer makes payloads of frames.
type packer struct{ zstd *zstd.Encoder }

func newPacker() (*packer, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	return &packer{z}, err
}

// file returns the payload of a file: the length of its name, its name, its sum, and its
// content, compressed.
func (p *packer) file(f live.File, s sum) []byte {
	payload := binary.AppendUvarint(nil, uint64(len(f.Name)))
	payload = append(payload, f.Name...)
	payload = append(payload, s[:]...)
	return p.zstd.EncodeAll(f.Data, payload)
}

// packed is a file as its frame has it.
type packed struct {
	sum  sum
	data []byte // compressed
}

func parseFile(payload []byte) (name string, p packed, err error) {
	length, n := binary.Uvarint(payload)
	if n <= 0 || length > uint64(len(payload)-n) || uint64(len(payload)-n)-length < sha256.Size {
		return "", packed{}, errDamaged
	}
	rest := payload[n:]
	name, rest = string(rest[:length]), rest[length:]
	return name, packed{sum: sum(rest[:sha256.Size]), data: rest[sha256.Size:]}, nil
}

// content is what a generation has at its last whole set.
type content struct {
	commit
	files []live.File // sorted by name
	sums  map[string]sum
	// damage is why something else in the generation does not count; nil if all is whole.
	damage error
}

// readContent reads a generation. newest is its last commit that can be read, also if the
// set that it ends is not whole; nil if there is none.
func readContent(data []byte) (c *content, newest *commit, err error) {
	frames, found := bytes.CutPrefix(data, []byte(magic))
	if !found {
		return nil, nil, errors.New("it is not a state of this version of corsgate")
	}
	s := scan{files: map[string]packed{}}
	s.all(&frameReader{frames})
	if s.whole == nil {
		return nil, s.newest, fmt.Errorf("it has no whole set: %w", cmp.Or(s.damage, io.EOF))
	}
	c, err = s.unpack()
	return c, s.newest, err
}

// scan goes over the frames of a generation.
type scan struct {
	files   map[string]packed // at the last commit
	pending []change          // since then
	newest  *commit           // that can be read
	// damage is the first; from then on a set is only whole if it has what its commit says.
	damage error
	// whole is the commit of the last whole set, and has are its files.
	whole *commit
	has   map[string]packed
}

// change is a file that has changed, or is gone.
type change struct {
	name string
	file *packed // nil if it is gone
}

// all takes all frames.
func (s *scan) all(r *frameReader) {
	for {
		k, payload, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = s.frame(k, payload)
		}
		if err != nil && s.damage == nil {
			s.damage, s.files = err, maps.Clone(s.files)
		}
	}
	if len(s.pending) > 0 && s.damage == nil {
		s.damage = io.ErrUnexpectedEOF
	}
}

func (s *scan) frame(k kind, payload []byte) error {
	switch k {
	case kindFile:
		name, p, err := parseFile(payload)
		if err == nil {
			s.pending = append(s.pending, change{name, &p})
		}
		return err
	case kindRemoved:
		s.pending = append(s.pending, change{name: string(payload)})
		return nil
	case kindCommit:
		return s.commit(payload)
	}
	return errDamaged
}

func (s *scan) commit(payload []byte) error {
	var c commit
	if err := json.Unmarshal(payload, &c); err != nil {
		return err
	}
	for _, p := range s.pending {
		if p.file == nil {
			delete(s.files, p.name)
		} else {
			s.files[p.name] = *p.file
		}
	}
	s.pending, s.newest = nil, &c
	switch {
	case s.damage == nil:
		s.whole, s.has = &c, s.files
	case sumOfAll(sumsOf(s.files)) == c.Files:
		s.whole, s.has = &c, maps.Clone(s.files)
	}
	return nil
}

func sumsOf(files map[string]packed) map[string]sum {
	sums := make(map[string]sum, len(files))
	for name, p := range files {
		sums[name] = p.sum
	}
	return sums
}

// unpack returns the files of the last whole set, all of which are what was written.
func (s *scan) unpack() (*content, error) {
	c := &content{commit: *s.whole, sums: sumsOf(s.has), damage: s.damage}
	if sumOfAll(c.sums) != c.Files || len(c.sums) > MaxFiles {
		return nil, errors.New("its files are not those of its last set")
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(policyfile.MaxGroupFile))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	total := int64(0)
	for _, name := range slices.Sorted(maps.Keys(s.has)) {
		p := s.has[name]
		data, err := z.DecodeAll(p.data, nil)
		if total += int64(len(data)); err != nil || sha256.Sum256(data) != p.sum || total > MaxBytes {
			return nil, fmt.Errorf("its file %q is not what was written", name)
		}
		c.files = append(c.files, live.File{Name: name, Data: data})
	}
	return c, nil
}
