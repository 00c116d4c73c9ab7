package state

import (
	"bufio"
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
	// MaxFiles is how many files it has.
	MaxFiles = 1_000_000
	// MaxBytes is how many bytes they have together.
	MaxBytes = 2 << 30
	// maxGeneration is the size of a generation. It is never reached: a generation ends
	// at twice the size that it began with.
	maxGeneration = 3 * MaxBytes
)

// commit is what the frame says that ends a set.
type commit struct {
	At      time.Time    `json:"at"`
	Release live.Release `json:"release,omitzero"`
	// Served is the last release of a store, also if policies of another source are kept.
	Served live.Release `json:"served,omitzero"`
	// Files is the manifest's sum, in hexadecimal.
	Files string `json:"files"`
}

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

// content is what a generation has at its last whole commit.
type content struct {
	commit
	files []live.File // sorted by name
	sums  map[string]sum
	// rest is why what follows the commit does not count; nil if nothing follows.
	rest error
}

// readContent reads a generation of that size.
func readContent(from io.Reader, size int64) (*content, error) {
	if size > maxGeneration {
		return nil, fmt.Errorf("it has %d bytes, more than %d", size, maxGeneration)
	}
	r := &frameReader{from: bufio.NewReader(from), left: size}
	begin := make([]byte, len(magic))
	if err := r.read(begin); err != nil || string(begin) != magic {
		return nil, errors.New("it is not a state of this version of corsgate")
	}
	var s scan
	s.files = map[string]packed{}
	rest := s.all(r)
	if s.last == nil {
		return nil, fmt.Errorf("it has no whole set: %w", rest)
	}
	c, err := s.unpack()
	if err != nil {
		return nil, err
	}
	if !errors.Is(rest, io.EOF) || len(s.pending) > 0 {
		c.rest = rest
	}
	return c, nil
}

// scan goes over the frames of a generation.
type scan struct {
	last    *commit
	files   map[string]packed // at the last commit
	pending []change          // since then
}

// change is a file that has changed, or is gone.
type change struct {
	name string
	file *packed // nil if it is gone
}

// all reads all frames until one cannot be read. The error is why not.
func (s *scan) all(r *frameReader) error {
	for {
		k, payload, err := r.next()
		if err != nil {
			return err
		}
		if err := s.frame(k, payload); err != nil {
			return err
		}
	}
}

func (s *scan) frame(k kind, payload []byte) error {
	switch k {
	case kindFile:
		name, p, err := parseFile(payload)
		s.pending = append(s.pending, change{name, &p})
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
	s.pending, s.last = nil, &c
	return nil
}

// unpack returns the files of the last commit, all of which are what was written.
func (s *scan) unpack() (*content, error) {
	c := &content{commit: *s.last, sums: map[string]sum{}}
	for name, p := range s.files {
		c.sums[name] = p.sum
	}
	if sumOfAll(c.sums) != c.Files || len(c.sums) > MaxFiles {
		return nil, errors.New("its files are not those of its last set")
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(policyfile.MaxGroupFile))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	total := int64(0)
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		p := s.files[name]
		data, err := z.DecodeAll(p.data, nil)
		if total += int64(len(data)); err != nil || sha256.Sum256(data) != p.sum || total > MaxBytes {
			return nil, fmt.Errorf("its file %q is not what was written", name)
		}
		c.files = append(c.files, live.File{Name: name, Data: data})
	}
	return c, nil
}

// same reports whether a set is what c has.
func (c *content) same(files map[string]sum, release live.Release) bool {
	return c != nil && c.Release == release && maps.Equal(c.sums, files)
}
