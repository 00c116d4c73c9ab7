package store

import (
	"context"
	"errors"
	"time"
)

// Folder is a Backend in a folder of one machine: an object is a file.
type Folder struct {
	// Path is the folder. Put makes it.
	Path string
	// Poll is how often Watch looks; 0 means DefaultPoll.
	Poll time.Duration
}

// DefaultPoll is Folder's.
const DefaultPoll = 200 * time.Millisecond

var _ Backend = (*Folder)(nil)

func (f *Folder) Get(ctx context.Context, keys ...string) ([]Object, error) {
	return nil, errors.ErrUnsupported
}
func (f *Folder) List(ctx context.Context, prefix string) ([]Object, error) {
	return nil, errors.ErrUnsupported
}
func (f *Folder) Put(ctx context.Context, objects []Object) error { return errors.ErrUnsupported }
func (f *Folder) Swap(ctx context.Context, objects []Object) (ok bool, err error) {
	return false, errors.ErrUnsupported
}
func (f *Folder) Delete(ctx context.Context, objects []Object) error { return errors.ErrUnsupported }
func (f *Folder) Watch(ctx context.Context, key string, tell func(value []byte)) error {
	return errors.ErrUnsupported
}
func (f *Folder) Announce(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return errors.ErrUnsupported
}
func (f *Folder) Close() error { return nil }
