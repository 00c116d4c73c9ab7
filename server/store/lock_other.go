//go:build !unix || solaris || aix

package store

import (
	"errors"
	"os"
)

// tryLock is not for this system.
func tryLock(string) (*os.File, error) {
	return nil, errors.New("a store in a folder needs locks of files, which this system does not have: use etcd")
}
