// Package etcd holds the releases of a fleet in etcd. The keys of a fleet begin with
// /corsgate/v1/FLEET/; several fleets and others may share an etcd.
//
// What is read is read from a majority. A server that does not answer is left for
// another one.
package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/access"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/tlsfile"
)

// Config is how a fleet's store is reached.
type Config struct {
	// URL is etcd://HOST:PORT,HOST:PORT/FLEET, or etcds:// for TLS; required. It has no
	// user and no password.
	URL string
	// TLS are the client's files; they are for etcds:// alone.
	TLS tlsfile.ClientFiles
	// User and Password are etcd's; both may be empty. PasswordFile has the password
	// instead, without its final newline.
	User, Password, PasswordFile string
}

const (
	// keepaliveTime is after which silence a server is asked whether it is there, and
	// keepaliveTimeout how long it may take to say so.
	keepaliveTime    = 10 * time.Second // grpc-go asks no more often
	keepaliveTimeout = 3 * time.Second
	// authTimeout is how long a server may take to take a password.
	authTimeout = 5 * time.Second
	// tryTimeout is how long one server may take to do what another one can do as well.
	tryTimeout = 3 * time.Second
	// retryPause is how long to wait before what has failed is tried again. An election
	// takes about a second or two.
	retryPause = 100 * time.Millisecond
)

// Open returns a backend; it does not wait for a server. The error says what is wrong
// with the configuration.
func Open(c Config) (*Backend, error) {
	a, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	b := &Backend{prefix: keyPrefix + a.fleet + "/", turn: make(chan struct{}, 1), leases: map[string]lease{}}
	config := clientv3.Config{
		Endpoints: a.endpoints, DialTimeout: authTimeout,
		// etcd ends a connection that is asked so while it has no stream.
		DialKeepAliveTime: keepaliveTime, DialKeepAliveTimeout: keepaliveTimeout,
		Logger:             zap.NewNop(), // each error comes back to the caller
		MaxCallRecvMsgSize: maxOps * (store.MaxObject + 1<<10),
		// After an outage, nobody waits for minutes.
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.3, MaxDelay: 3 * time.Second},
			MinConnectTimeout: tryTimeout,
		}), grpc.WithContextDialer(b.dial), grpc.WithChainUnaryInterceptor(b.note)},
	}
	if a.tls {
		if config.TLS, err = c.TLS.Config(); err != nil {
			return nil, err
		}
	} else if c.TLS != (tlsfile.ClientFiles{}) {
		return nil, errors.New("TLS files are of no use without TLS: write etcds:// in the store's URL")
	}
	if config.Username, config.Password, err = c.credentials(); err != nil {
		return nil, err
	}
	b.config = config
	b.turn <- struct{}{}
	return b, nil
}

// keyPrefix is what all keys begin with.
const keyPrefix = "/corsgate/v1/"

// credentials returns the user and the password; both are empty, or none is.
func (c Config) credentials() (user, password string, err error) {
	password = c.Password
	if c.PasswordFile != "" {
		if password != "" {
			return "", "", errors.New("a password and a file with the password are given: give one of them")
		}
		text, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return "", "", fmt.Errorf("read the password: %w", access.Explain(printable.Error(err), c.PasswordFile))
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	if (c.User == "") != (password == "") {
		return "", "", errors.New("a user of etcd and a password go together: give both, or none")
	}
	return c.User, password, nil
}

// Backend is a store in etcd. Open makes one; it is safe for concurrent use.
type Backend struct {
	prefix string // of the fleet's keys
	config clientv3.Config

	turn   chan struct{} // has a value while nobody connects
	client *clientv3.Client

	// trouble is why the last connection was not made; nil if it was.
	trouble atomic.Pointer[error]

	mu     sync.Mutex       // guards leases
	leases map[string]lease // :: key of what was announced
}

var _ store.Backend = (*Backend)(nil)

// Close is store.Backend's.
func (b *Backend) Close() error {
	<-b.turn
	defer func() { b.turn <- struct{}{} }()
	if b.client == nil {
		return nil
	}
	return b.client.Close()
}

// connect returns the client. With a password the first connection has to stand before
// there is one, so that this is tried until it does.
func (b *Backend) connect(ctx context.Context) (*clientv3.Client, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-b.turn:
	}
	defer func() { b.turn <- struct{}{} }()
	if b.client != nil || ctx.Err() != nil {
		return b.client, ctx.Err()
	}
	client, err := clientv3.New(b.config)
	if err != nil {
		return nil, err
	}
	b.client = client
	return client, nil
}

// explain adds what to do about an error of etcd, if that is known.
func explain(err error) error {
	for known, advice := range map[error]string{
		rpctypes.ErrNoSpace:          "its quota is exhausted: compact and defragment it, then disarm the alarm",
		rpctypes.ErrPermissionDenied: "give the user a role that may do so",
		rpctypes.ErrAuthFailed:       "check the user and the password",
		rpctypes.ErrUserEmpty:        "give a user and a password",
		rpctypes.ErrRequestTooLarge:  "start it with --max-request-bytes 1572864 or more, which is its default",
		rpctypes.ErrTooManyOps:       "start it with --max-txn-ops 128 or more, which is its default",
	} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w; %s", err, advice)
		}
	}
	return err
}

// dial connects, and remembers why that failed: etcd's client tries again until the time
// is over, and then says no more than that.
func (b *Backend) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		b.trouble.Store(nil)
	} else {
		b.trouble.Store(&err)
	}
	return conn, err
}

// note remembers why a call has no connection, such as an answer without TLS.
func (b *Backend) note(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := call(ctx, method, req, reply, conn, opts...)
	if _, why, found := strings.Cut(status.Convert(err).Message(), "connection error: desc = "); found {
		if why, err := strconv.Unquote(why); err == nil && b.trouble.Load() == nil {
			trouble := errors.New(strings.TrimPrefix(why, "transport: "))
			b.trouble.Store(&trouble)
		}
	}
	return err
}

// explain is explain, and says why no server was reached in time.
func (b *Backend) explain(err error) error {
	if trouble := b.trouble.Load(); trouble != nil && isLate(err) {
		return fmt.Errorf("%w: %w", err, *trouble)
	}
	return explain(err)
}

// call makes a call, and makes it again as long as mayPass says that this may help. So it
// is for calls that may be made twice. The error has what a server said last, if the time
// is over.
func (b *Backend) call(ctx context.Context, call func(context.Context, *clientv3.Client) error) error {
	var said error
	for {
		err := b.try(ctx, call)
		if err == nil || !mayPass(err) {
			return b.explain(err)
		}
		if !isLate(err) {
			said = err
		}
		if !wait(ctx, retryPause) {
			return b.explain(cmp.Or(said, err))
		}
	}
}

// try makes a call once. Its time being over is context.DeadlineExceeded, however the
// server says so.
func (b *Backend) try(ctx context.Context, call func(context.Context, *clientv3.Client) error) error {
	client, err := b.connect(ctx)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	if err := call(limited, client); err != nil {
		return cmp.Or(limited.Err(), err)
	}
	return nil
}

// mayPass tells whether another server, or a later try, may do what has failed: a server
// hangs or is gone, or says that it cannot for now, as while a leader is elected. etcd's
// client makes again by itself what only reads, but no transaction.
func mayPass(err error) bool {
	code := status.Code(err)
	if said, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		code = said.Code()
	}
	return code == codes.Unavailable || isLate(err)
}

// isLate tells whether something has not answered in time.
func isLate(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded
}

// wait waits, and tells whether ctx goes on after that.
func wait(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

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
	client, err := b.connect(ctx)
	if err != nil {
		return false, b.explain(err)
	}
	first := objects[0]
	res, err := client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(b.prefix+first.Key), "=", modified(first.Version))).
		Then(b.puts(objects)...).Commit()
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

// Watch is store.Backend's. It reads the state first, and watches from there: what was
// compacted is never asked for, unless it is compacted meanwhile.
func (b *Backend) Watch(ctx context.Context, key string, tell func(value []byte)) error {
	var res *clientv3.GetResponse
	err := b.call(ctx, func(ctx context.Context, c *clientv3.Client) (err error) {
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
	watching, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for res := range b.client.Watch(watching, b.prefix+key, clientv3.WithRev(res.Header.Revision+1)) {
		if err := res.Err(); err != nil {
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
