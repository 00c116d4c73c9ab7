package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// tryTimeout is how long one server may take at first to do what another one can do as
	// well. After a try that took so long the next one may take twice as long, for what does
	// take long.
	tryTimeout = 2 * time.Second
	// firstPause and maxPause are how long to wait at first and at most before what has
	// failed is tried again. An election takes about a second or two.
	firstPause = 100 * time.Millisecond
	maxPause   = time.Second
)

// call makes a call, and makes it again as long as mayPass says that this may help. So it
// is for calls that may be made twice. The error has what a server said last, if the time
// is over.
func (b *Backend) call(ctx context.Context, call func(context.Context, *clientv3.Client) error) error {
	var said error
	limit, pause := tryTimeout, firstPause
	for {
		err := b.try(ctx, limit, call)
		switch {
		case err == nil || !mayPass(err):
			return b.explain(err)
		case isLate(err):
			limit *= 2
		default:
			said = err
		}
		if !wait(ctx, pause/2+rand.N(pause/2)) { //nolint:gosec // it need not be secret
			return b.explain(cmp.Or(said, err))
		}
		pause = min(2*pause, maxPause)
	}
}

// try makes a call once, and the connection if there is none. If its time is over, the error
// is context.DeadlineExceeded, however the server says so.
func (b *Backend) try(ctx context.Context, limit time.Duration, call func(context.Context, *clientv3.Client) error) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	client, err := b.connect(limited)
	if err != nil {
		return cmp.Or(limited.Err(), err)
	}
	err = call(limited, client)
	if errors.Is(err, errToken) {
		b.leave(client)
	}
	switch {
	case err == nil:
		return nil
	case isLate(err):
		return context.DeadlineExceeded
	case b.client.Load() != client: // which somebody has left meanwhile
		err = errToken
	}
	return cmp.Or(limited.Err(), err)
}

// errToken is for a client whose token no server knows any more, such as after a restart of
// all of them. etcd's client sends it also where it asks for another one, and old servers
// refuse that; so nothing but another client helps.
var errToken = errors.New("the servers do not know the token any more that they have given")

// mayPass tells whether another server, or a later try, may do what has failed: a server
// hangs or is gone, or says that it cannot for now, as while a leader is elected. etcd's
// client makes again by itself what only reads, but no transaction.
func mayPass(err error) bool {
	code, text := status.Code(err), status.Convert(err).Message()
	if said, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		code = said.Code()
	}
	return code == codes.Unavailable || isLate(err) || errors.Is(err, errToken) || slices.Contains(passing, text) ||
		errors.Is(err, io.EOF) // a stream that ended before a lease was renewed
}

// passing are errors of etcd that pass although their codes do not say so.
var passing = []string{
	"raft proposal dropped", // while the leader hands its leadership over
	rpctypes.ErrorDesc(rpctypes.ErrGRPCRequestTooManyRequests),
	rpctypes.ErrorDesc(rpctypes.ErrGRPCNotCapable),             // a server that has just begun
	rpctypes.ErrorDesc(rpctypes.ErrGRPCNotSupportedForLearner), // one that does not belong to the cluster yet
}

// isLate tells whether something has not answered in time. A server that says so itself
// may do so without a code.
func isLate(err error) bool {
	return err != nil && (status.Code(err) == codes.DeadlineExceeded || strings.HasSuffix(err.Error(), context.DeadlineExceeded.Error()))
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

// explain is explain, and says why no server was reached, or has answered, in time.
func (b *Backend) explain(err error) error {
	trouble := b.trouble.Load()
	switch {
	case !isLate(err):
		return explain(err)
	case trouble == nil: // none is known to be away
		return fmt.Errorf("%w; %s", err, noMajority)
	}
	return fmt.Errorf("%w: %w", err, *trouble)
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

		rpctypes.ErrNoLeader:                   noMajority,
		rpctypes.ErrLeaderChanged:              noMajority,
		rpctypes.ErrTimeout:                    noMajority,
		rpctypes.ErrTimeoutDueToLeaderFail:     noMajority,
		rpctypes.ErrTimeoutDueToConnectionLost: noMajority,
	} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w; %s", err, advice)
		}
	}
	return err
}

const noMajority = "most of its servers have to run and to reach one another"

// dial connects, and remembers why that failed: etcd's client tries again until the time
// is over, and then says no more than that.
func (b *Backend) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	switch {
	case err == nil:
		b.trouble.Store(nil)
	case !errors.Is(ctx.Err(), context.Canceled): // else it was not waited for
		b.trouble.Store(&err)
	}
	return conn, err
}

// note remembers why a call has no connection, such as an answer without TLS. It names the
// error of a token that is refused where another one is asked for: of that, etcd's client
// would ask for one again and again.
func (b *Backend) note(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := call(ctx, method, req, reply, conn, opts...)
	if _, why, found := strings.Cut(status.Convert(err).Message(), "connection error: desc = "); found {
		if why, err := strconv.Unquote(why); err == nil && b.trouble.Load() == nil {
			trouble := errors.New(strings.TrimPrefix(why, "transport: "))
			b.trouble.Store(&trouble)
		}
	}
	if method == etcdserverpb.Auth_Authenticate_FullMethodName && errors.Is(rpctypes.Error(err), rpctypes.ErrInvalidAuthToken) {
		return errToken
	}
	return err
}
