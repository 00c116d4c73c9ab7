package etcd

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// lease is what an announced object lives by.
type lease struct {
	id  clientv3.LeaseID
	ttl time.Duration
}

// Announce is store.Backend's. What is announced again with the same value costs no
// revision: its lease is renewed.
func (b *Backend) Announce(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	id, err := b.renew(ctx, key, ttl)
	if err != nil {
		return err
	}
	var res *clientv3.GetResponse
	err = b.call(ctx, func(ctx context.Context, c *clientv3.Client) (err error) {
		res, err = c.Get(ctx, b.prefix+key)
		return err
	})
	if err != nil || len(res.Kvs) == 1 && res.Kvs[0].Lease == int64(id) && bytes.Equal(res.Kvs[0].Value, value) {
		return err
	}
	return b.call(ctx, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Put(ctx, b.prefix+key, string(value), clientv3.WithLease(id))
		return err
	})
}

// renew renews the lease of a key, or gets another one if it has ended.
func (b *Backend) renew(ctx context.Context, key string, ttl time.Duration) (id clientv3.LeaseID, err error) {
	b.mu.Lock()
	have, known := b.leases[key]
	b.mu.Unlock()
	if known && have.ttl == ttl {
		err = b.call(ctx, func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.KeepAliveOnce(ctx, have.id)
			return err
		})
		if !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return have.id, err
		}
	}
	err = b.call(ctx, func(ctx context.Context, c *clientv3.Client) error {
		granted, err := c.Grant(ctx, int64((ttl+time.Second-1)/time.Second))
		if err == nil {
			id = granted.ID
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	b.mu.Lock()
	b.leases[key] = lease{id, ttl}
	b.mu.Unlock()
	return id, nil
}
