package store

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
)

// unitFolder is the folder of a release. It knows the hashes of its files, so that nobody
// reads those that have not changed, see policyfile.Loader.
type unitFolder struct {
	fs.FS
	sums map[string][sha256.Size]byte // :: name of a file
}

func newUnitFolder(files []live.File, m manifest) unitFolder {
	f := unitFolder{live.Folder(files), make(map[string][sha256.Size]byte, len(m))}
	for name, hash := range m {
		var sum [sha256.Size]byte
		if n, err := hex.Decode(sum[:], []byte(hash)); err == nil && n == len(sum) {
			f.sums[policyfile.Unit{Kind: name.Kind, Name: name.Name}.File()] = sum
		}
	}
	return f
}

// Sum returns the hash of a file; the error is fs.ErrNotExist if it is not known.
func (f unitFolder) Sum(name string) (sum [sha256.Size]byte, err error) {
	sum, known := f.sums[name]
	if !known {
		err = fs.ErrNotExist
	}
	return sum, err
}
