package store

import (
	"context"
	"time"
)

// Backend holds the objects of one fleet. Keys are relative to it, such as "w/target"; no
// key is another one and a slash and more.
// Package storetest holds what every backend does. A backend is safe for concurrent
// use; each call ends with its context.
//
// What a call has written is seen by every later call, of whoever.
type Backend interface {
	// Get returns the objects of those keys that exist, in any order. They may be any
	// number; they need not be of one moment.
	Get(ctx context.Context, keys ...string) ([]Object, error)
	// List returns the objects whose keys begin with prefix, sorted, without values.
	List(ctx context.Context, prefix string) ([]Object, error)
	// Put puts objects, each as a whole and in any order. They may be any number. An
	// object that is there gets a new version, also if its value is the same.
	Put(ctx context.Context, objects []Object) error
	// Swap puts a few objects, all or none of them, if the first one has the version
	// that it names; the empty version is of an object that does not exist. Else ok is
	// false. If err is not nil, they may have been put or not.
	Swap(ctx context.Context, objects []Object) (ok bool, err error)
	// Delete deletes those objects that still have the version that they name, and those
	// that name none.
	Delete(ctx context.Context, objects []Object) error
	// Watch calls tell with the value of key as it is now, nil if there is none, and
	// again after each change, until ctx ends; then it returns nil. Of changes in a row
	// it may tell the last one alone. If it cannot go on it returns why, and may be
	// called again.
	Watch(ctx context.Context, key string, tell func(value []byte)) error
	// Announce puts an object that is deleted when it was not announced again for the
	// time ttl.
	Announce(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Close ends what the backend holds open.
	Close() error
}

// Object is a key and its value. Version is the backend's, another after each Put.
type Object struct {
	Key     string
	Value   []byte
	Version string
}
