package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// tryTimeout is how long one server may take to do what another one can do as well.
	tryTimeout = 3 * time.Second
	// retryPause is how long to wait before what has failed is tried again. An election
	// takes about a second or two.
	retryPause = 100 * time.Millisecond
)

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

// explain is explain, and says why no server was reached in time.
func (b *Backend) explain(err error) error {
	if trouble := b.trouble.Load(); trouble != nil && isLate(err) {
		return fmt.Errorf("%w: %w", err, *trouble)
	}
	return explain(err)
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
