//go:build !unix || solaris || aix

package scratch

import (
	"errors"
	"os"
)

// hold cannot lock folders here, so that none is ever taken for left behind.
func hold(string) (*os.File, error) { return nil, errors.ErrUnsupported }
