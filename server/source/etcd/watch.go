package etcd

import (
	"context"
	"errors"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// firstTimeout is how long a watch tries to read the state.
const firstTimeout = 10 * time.Second

// Watch is store.Backend's. It reads the state first, and watches from there: what was
// compacted is never asked for, unless it is compacted meanwhile.
func (b *Backend) Watch(ctx context.Context, key string, tell func(value []byte)) error {
	limited, cancel := context.WithTimeout(ctx, firstTimeout)
	defer cancel()
	var res *clientv3.GetResponse
	var client *clientv3.Client
	err := b.call(limited, func(ctx context.Context, c *clientv3.Client) (err error) {
		client = c
		res, err = c.Get(ctx, b.prefix+key)
		return err
	})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	tell(valueOf(res))
	// A server that has lost the others would be silent for ever.
	watching, end := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer end()
	for res := range client.Watch(watching, b.prefix+key, clientv3.WithRev(res.Header.Revision+1)) {
		if err := res.Err(); err != nil {
			if errors.Is(err, errToken) {
				b.leave(client)
			}
			if ctx.Err() != nil {
				return nil
			}
			return explain(err)
		}
		if n := len(res.Events); n > 0 {
			tell(eventValue(res.Events[n-1]))
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if b.client.Load() != client {
		return errToken
	}
	return errors.New("the server has ended the watch")
}

func valueOf(res *clientv3.GetResponse) []byte {
	if len(res.Kvs) == 0 {
		return nil
	}
	return notNil(res.Kvs[0].Value)
}

func eventValue(e *clientv3.Event) []byte {
	if e.Type == clientv3.EventTypeDelete {
		return nil
	}
	return notNil(e.Kv.Value)
}

// notNil returns the value of an object that is there.
func notNil(value []byte) []byte { return append([]byte{}, value...) }
