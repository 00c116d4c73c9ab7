// Package etcd holds the releases of a fleet in etcd. The keys of a fleet begin with
// /corsgate/v1/FLEET/; several fleets and others may share an etcd.
//
// What is read is read from a majority. A server that does not answer is left for
// another one, and while there is no leader a call is made again.
package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

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
	// connectTimeout is how long a server may take at least until it is connected.
	connectTimeout = 3 * time.Second
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
		Endpoints: a.endpoints,
		// etcd ends a connection that is asked so while it has no stream.
		DialKeepAliveTime: keepaliveTime, DialKeepAliveTimeout: keepaliveTimeout,
		Logger:             zap.NewNop(), // each error comes back to the caller
		MaxCallRecvMsgSize: maxOps * (store.MaxObject + 1<<10),
		// After an outage, nobody waits for minutes.
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.3, MaxDelay: 3 * time.Second},
			MinConnectTimeout: connectTimeout,
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
	client atomic.Pointer[clientv3.Client]

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
	if client := b.client.Load(); client != nil {
		return client.Close()
	}
	return nil
}

// leave ends a client, and has the next call make another one.
func (b *Backend) leave(client *clientv3.Client) {
	if b.client.CompareAndSwap(client, nil) {
		_ = client.Close() // nothing is lost with it
	}
}

// connect returns the client. With a password the first connection has to stand before
// there is one, so that this is tried until it does, or ctx ends.
func (b *Backend) connect(ctx context.Context) (*clientv3.Client, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-b.turn:
	}
	defer func() { b.turn <- struct{}{} }()
	if client := b.client.Load(); client != nil || ctx.Err() != nil {
		return client, ctx.Err()
	}
	// What the client is made with ends it, and ctx must not do so later.
	life, end := context.WithCancel(context.Background())
	goOn := context.AfterFunc(ctx, end)
	config := b.config
	config.Context = life
	client, err := clientv3.New(config)
	if goOn() && err == nil {
		b.client.Store(client)
		return client, nil
	}
	end()
	if client != nil {
		_ = client.Close() // which its end has done
	}
	return nil, cmp.Or(ctx.Err(), err)
}
