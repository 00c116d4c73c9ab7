package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corsgate/corsgate/server/disk"
	"golang.org/x/sync/errgroup"
)

// Folder is a Backend in a folder of one machine: an object is a file. Who writes is one
// user; others may read. Its fields are not to be changed after the first call.
type Folder struct {
	// Path is the folder. What writes makes it.
	Path string
	// Poll is how often Watch looks; 0 means DefaultPoll.
	Poll time.Duration
}

// DefaultPoll is Folder's.
const DefaultPoll = 200 * time.Millisecond

// The folders of objects: those that stay, and those that are announced, whose files
// have the time of their end as that of their last change. In a third one are files that
// are not written to the end.
const (
	stayFolder     = "objects"
	announceFolder = "announced"
	unfinished     = "new"
)

var _ Backend = (*Folder)(nil)

// file returns the path of an object.
func (f *Folder) file(folder, key string) string {
	return filepath.Join(f.Path, folder, filepath.FromSlash(key))
}

// stat returns the path and the version of an object; the error is fs.ErrNotExist if
// there is none.
func (f *Folder) stat(key string) (path, version string, err error) {
	if !fs.ValidPath(key) {
		return "", "", fmt.Errorf("%q cannot be the key of an object in a folder", key)
	}
	for _, folder := range []string{stayFolder, announceFolder} {
		path = f.file(folder, key)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == nil && info.IsDir():
			continue
		case err != nil:
			return "", "", err
		case !info.Mode().IsRegular(): // a pipe could block for ever
			return "", "", fmt.Errorf("%s is not a regular file: delete it", path)
		case folder == announceFolder && info.ModTime().Before(time.Now()):
			continue
		}
		return path, versionOf(info), nil
	}
	return "", "", fs.ErrNotExist
}

func versionOf(info fs.FileInfo) string { return strconv.FormatInt(info.ModTime().UnixNano(), 10) }

// Get is Backend's.
func (f *Folder) Get(ctx context.Context, keys ...string) ([]Object, error) {
	var objects []Object
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		o, err := f.get(key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// get reads an object. One that is replaced meanwhile is read again, so that its version
// is that of its value.
func (f *Folder) get(key string) (Object, error) {
	for {
		path, version, err := f.stat(key)
		if err != nil {
			return Object{}, err
		}
		value, err := readSome(path)
		if err != nil {
			return Object{}, err
		}
		if _, still, err := f.stat(key); err != nil || still == version {
			return Object{key, value, version}, err
		}
	}
}

// readSome reads a file, of one that is larger than an object a byte more than that.
func readSome(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	value, err := io.ReadAll(io.LimitReader(file, MaxObject+1))
	return value, errors.Join(err, file.Close())
}

// List is Backend's.
func (f *Folder) List(ctx context.Context, prefix string) ([]Object, error) {
	var objects []Object
	for _, folder := range []string{stayFolder, announceFolder} {
		keys, err := f.keys(ctx, folder, prefix)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			_, version, err := f.stat(key)
			switch {
			case err == nil:
				objects = append(objects, Object{Key: key, Version: version})
			case !errors.Is(err, fs.ErrNotExist): // it may have ended
				return nil, err
			}
		}
	}
	slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	return objects, nil
}

// keys returns the keys in one of the folders that begin with prefix.
func (f *Folder) keys(ctx context.Context, folder, prefix string) (keys []string, err error) {
	top := os.DirFS(filepath.Join(f.Path, folder))
	err = fs.WalkDir(top, path.Dir(prefix), func(key string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // nothing was put there, or it was deleted meanwhile
		}
		if err == nil && !d.IsDir() && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
		return errors.Join(err, ctx.Err())
	})
	return keys, err
}

// Put is Backend's.
func (f *Folder) Put(ctx context.Context, objects []Object) error {
	return f.locked(ctx, func() error { return f.writeAll(ctx, objects) })
}

// writers is how many files are written at the same time: most of it is waiting for the
// disk.
const writers = 16

// writeAll replaces objects, so that they survive a crash of the machine.
func (f *Folder) writeAll(ctx context.Context, objects []Object) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for _, o := range objects {
		g.Go(func() error { return f.write(ctx, o) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return f.syncFolders(objects)
}

// syncFolders has the names of objects survive a crash, each folder once.
func (f *Folder) syncFolders(objects []Object) error {
	synced := map[string]bool{}
	for _, o := range objects {
		for folder := path.Dir(o.Key); !synced[folder]; folder = path.Dir(folder) {
			synced[folder] = true
		}
	}
	for folder := range synced {
		if err := disk.SyncFolder(f.file(stayFolder, folder)); err != nil {
			return err
		}
	}
	if len(synced) == 0 {
		return nil
	}
	return disk.SyncFolder(f.Path)
}

// Swap is Backend's. The first object comes last: without it the others are garbage.
func (f *Folder) Swap(ctx context.Context, objects []Object) (ok bool, err error) {
	err = f.locked(ctx, func() error {
		_, version, err := f.stat(objects[0].Key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if version != objects[0].Version {
			return nil
		}
		if err := f.writeAll(ctx, objects[1:]); err != nil {
			return err
		}
		ok = true
		return f.writeAll(ctx, objects[:1])
	})
	return ok && err == nil, err
}

// write replaces an object. Its version is another than that of every file before.
func (f *Folder) write(ctx context.Context, o Object) error {
	at := time.Now()
	_, _, err := f.stat(o.Key)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	path := f.file(stayFolder, o.Key)
	if info, err := os.Stat(path); err == nil && !info.ModTime().Before(at) {
		at = info.ModTime().Add(time.Microsecond)
	}
	return f.replaceFile(path, o.Value, at)
}

// replaceFile writes elsewhere and renames.
func (f *Folder) replaceFile(path string, value []byte, at time.Time) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Join(f.Path, unfinished), "")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name()) // the error says why it is there
		}
	}()
	_, err = temp.Write(value)
	err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close(), os.Chtimes(temp.Name(), at, at))
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	return err
}

// Delete is Backend's.
func (f *Folder) Delete(ctx context.Context, objects []Object) error {
	return f.locked(ctx, func() error {
		for _, o := range objects {
			path, version, err := f.stat(o.Key)
			if errors.Is(err, fs.ErrNotExist) || err == nil && o.Version != "" && o.Version != version {
				continue
			}
			if err := errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			if err := os.Remove(path); err != nil {
				return err
			}
		}
		return nil
	})
}

// Watch is Backend's.
func (f *Folder) Watch(ctx context.Context, key string, tell func(value []byte)) error {
	poll := time.NewTicker(cmp.Or(f.Poll, DefaultPoll))
	defer poll.Stop()
	for last, first := "", true; ; first = false {
		_, version, err := f.stat(key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if first || version != last {
			o, err := f.get(key)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			tell(o.Value)
			last = o.Version
		}
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
		}
	}
}

// Announce is Backend's.
func (f *Folder) Announce(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return f.locked(ctx, func() error {
		if _, _, err := f.stat(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		path := f.file(announceFolder, key)
		f.sweep(filepath.Dir(path))
		return f.replaceFile(path, value, time.Now().Add(ttl))
	})
}

// sweep deletes what was not announced again.
func (f *Folder) sweep(folder string) {
	entries, _ := os.ReadDir(folder) // there may be none
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && !e.IsDir() && info.ModTime().Before(time.Now()) {
			_ = os.Remove(filepath.Join(folder, e.Name())) // the next one tries again
		}
	}
}

// Close is Backend's.
func (f *Folder) Close() error { return nil }

// lockPause is how long who waits for the lock does so until the next try.
const lockPause = 2 * time.Millisecond

// locked calls do while nobody else writes to the folder.
func (f *Folder) locked(ctx context.Context, do func() error) error {
	if err := disk.MakeFolder(f.Path, 0o755); err != nil {
		return err
	}
	for ctx.Err() == nil {
		lock, err := disk.TryLock(filepath.Join(f.Path, "lock"))
		if errors.Is(err, disk.ErrNoLocks) {
			return fmt.Errorf("%w, which a store in a folder needs: use etcd", err)
		}
		if err != nil {
			return err
		}
		if lock != nil {
			if err = f.begin(); err == nil {
				err = do()
			}
			return errors.Join(err, lock.Close())
		}
		sleep(ctx, lockPause)
	}
	return ctx.Err()
}

// begin makes the folder of unfinished files, and deletes what killed writers have left.
func (f *Folder) begin() error {
	folder := filepath.Join(f.Path, unfinished)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	left, err := os.ReadDir(folder)
	for _, e := range left {
		err = errors.Join(err, os.Remove(filepath.Join(folder, e.Name())))
	}
	return err
}
