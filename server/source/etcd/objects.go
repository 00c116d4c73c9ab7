package etcd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/server/store"
)

// The bounds of a transaction: etcd has 128 operations and 1.5 MiB.
const (
	maxOps  = 100
	maxSize = 1 << 20
)

func versionOf(modified int64) string { return strconv.FormatInt(modified, 10) }

// modified returns the revision that a version stands for; 0 is of what does not exist.
func modified(version string) int64 {
	n, err := strconv.ParseInt(cmp.Or(version, "0"), 10, 64)
	if err != nil {
		return -1 // nothing has it
	}
	return n
}

// Get is store.Backend's.
func (b *Backend) Get(ctx context.Context, keys ...string) ([]store.Object, error) {
	var objects []store.Object
	for part := range slices.Chunk(keys, maxOps) {
		found, err := b.getPart(ctx, part)
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// getPart gets what one transaction can get.
func (b *Backend) getPart(ctx context.Context, keys []string) (objects []store.Object, err error) {
	var ops []clientv3.Op
	for _, key := range keys {
		ops = append(ops, clientv3.OpGet(b.prefix+key))
	}
	err = b.call(ctx, func(ctx context.Context, c *clientv3.Client) error {
		res, err := c.Txn(ctx).Then(ops...).Commit()
		if err != nil {
			return err
		}
		for _, r := range res.Responses {
			for _, kv := range r.GetResponseRange().Kvs {
				objects = append(objects, b.object(kv))
			}
		}
		return nil
	})
	return objects, err
}

// object returns an object as etcd has it.
func (b *Backend) object(kv *mvccpb.KeyValue) store.Object {
	return store.Object{Key: strings.TrimPrefix(string(kv.Key), b.prefix), Value: kv.Value, Version: versionOf(kv.ModRevision)}
}

// pageSize is how many keys are listed at once.
const pageSize = 5000

// List is store.Backend's.
func (b *Backend) List(ctx context.Context, prefix string) ([]store.Object, error) {
	var objects []store.Object
	from, end := b.prefix+prefix, clientv3.GetPrefixRangeEnd(b.prefix+prefix)
	for more := true; more; {
		err := b.call(ctx, func(ctx context.Context, c *clientv3.Client) error {
			res, err := c.Get(ctx, from, clientv3.WithRange(end), clientv3.WithKeysOnly(), clientv3.WithLimit(pageSize))
			if err != nil {
				return err
			}
			for _, kv := range res.Kvs {
				objects = append(objects, b.object(kv))
				from = string(kv.Key) + "\x00"
			}
			more = res.More
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// puts returns operations that put objects.
func (b *Backend) puts(objects []store.Object) []clientv3.Op {
	ops := make([]clientv3.Op, len(objects))
	for i, o := range objects {
		ops[i] = clientv3.OpPut(b.prefix+o.Key, string(o.Value))
	}
	return ops
}

// Put is store.Backend's.
func (b *Backend) Put(ctx context.Context, objects []store.Object) error {
	for len(objects) > 0 {
		n, size := 0, 0
		for n < min(len(objects), maxOps) && (n == 0 || size+len(objects[n].Value) <= maxSize) {
			size += len(objects[n].Value)
			n++
		}
		err := b.call(ctx, func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Txn(ctx).Then(b.puts(objects[:n])...).Commit()
			return err
		})
		if err != nil {
			return err
		}
		objects = objects[n:]
	}
	return nil
}

// Swap is store.Backend's.
func (b *Backend) Swap(ctx context.Context, objects []store.Object) (ok bool, err error) {
	var client *clientv3.Client
	err = b.call(ctx, func(_ context.Context, c *clientv3.Client) error {
		client = c
		return nil
	})
	if err != nil {
		return false, err
	}
	first := objects[0]
	res, err := client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(b.prefix+first.Key), "=", modified(first.Version))).
		Then(b.puts(objects)...).Commit()
	if errors.Is(err, errToken) {
		b.leave(client)
	}
	return err == nil && res.Succeeded, b.explain(err)
}

// Delete is store.Backend's.
func (b *Backend) Delete(ctx context.Context, objects []store.Object) error {
	for len(objects) > 0 {
		n := min(len(objects), maxOps)
		ops := make([]clientv3.Op, n)
		for i, o := range objects[:n] {
			key := b.prefix + o.Key
			if ops[i] = clientv3.OpDelete(key); o.Version != "" {
				same := clientv3.Compare(clientv3.ModRevision(key), "=", modified(o.Version))
				ops[i] = clientv3.OpTxn([]clientv3.Cmp{same}, []clientv3.Op{ops[i]}, nil)
			}
		}
		err := b.call(ctx, func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Txn(ctx).Then(ops...).Commit()
			return err
		})
		if err != nil {
			return err
		}
		objects = objects[n:]
	}
	return nil
}
