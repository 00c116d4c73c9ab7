package etcd_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/etcd"
)

// failing is an etcd that fails some times, then hangs for some calls, and is empty.
type failing struct {
	etcdserverpb.UnimplementedKVServer
	err          error
	times, hangs int64
	calls        atomic.Int64
}

func (f *failing) Txn(ctx context.Context, _ *etcdserverpb.TxnRequest) (*etcdserverpb.TxnResponse, error) {
	switch n := f.calls.Add(1); {
	case n <= f.times:
		return nil, f.err
	case n <= f.times+f.hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &etcdserverpb.TxnResponse{}, nil
}

// TestACallIsTriedForLong has a server that fails often, and one that hangs after that: it is
// left after a while, and not only when the time is over.
func TestACallIsTriedForLong(t *testing.T) {
	for name, f := range map[string]*failing{
		"often":              {times: 10},
		"often, then a hang": {times: 6, hangs: 1},
		"two hangs":          {hangs: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f.err = rpctypes.ErrGRPCLeaderChanged
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // less than a limit that each failure doubles
			defer cancel()
			_, err := openUntilEnd(t, etcd.Config{URL: "etcd://" + f.serve(t) + "/edge"}).Get(ctx, "w/target")
			if err != nil || f.calls.Load() != f.times+f.hangs+1 {
				t.Errorf("Get: %v, after %d calls", err, f.calls.Load())
			}
		})
	}
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	for _, c := range []struct {
		err    error
		passes bool
	}{
		{rpctypes.ErrGRPCLeaderChanged, true},
		{rpctypes.ErrGRPCTimeoutDueToLeaderFail, true},
		{rpctypes.ErrGRPCStopped, true},
		{rpctypes.ErrGRPCRequestTooManyRequests, true},
		{rpctypes.ErrGRPCNotCapable, true},
		{rpctypes.ErrGRPCNotSupportedForLearner, true},
		{rpctypes.ErrGRPCDeadlineExceeded, true},
		{status.Error(codes.Unknown, "context deadline exceeded"), true},
		{status.Error(codes.Unknown, "raft proposal dropped"), true},
		{status.Error(codes.Unknown, "out of cheese"), false},
		{rpctypes.ErrGRPCPermissionDenied, false},
		{rpctypes.ErrGRPCNoSpace, false},
		{rpctypes.ErrGRPCRequestTooLarge, false},
	} {
		text := status.Convert(c.err).Message()
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			f := &failing{err: c.err, times: 1}
			_, err := openUntilEnd(t, etcd.Config{URL: "etcd://" + f.serve(t) + "/edge"}).Get(servertest.Context(t), "w/target")
			if c.passes && (err != nil || f.calls.Load() != 2) {
				t.Errorf("Get: %v, after %d calls", err, f.calls.Load())
			}
			if !c.passes && (err == nil || !strings.Contains(err.Error(), text) || f.calls.Load() != 1) {
				t.Errorf("Get: %v, after %d calls, want what the server says", err, f.calls.Load())
			}
		})
	}
}

// serve serves until the test ends, and returns where.
func (f *failing) serve(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	etcdserverpb.RegisterKVServer(s, f)
	t.Cleanup(s.Stop)
	go func() { _ = s.Serve(l) }() // which Stop ends
	return l.Addr().String()
}

// TestACallEndsWithItsContext has a server that takes connections, and says nothing.
func TestACallEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // it has no others
	for name, c := range map[string]etcd.Config{"without users": {}, "with a password": {User: "a", Password: "b"}} {
		t.Run(name, func(t *testing.T) {
			c.URL = "etcd://" + l.Addr().String() + "/edge"
			b := openUntilEnd(t, c)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := b.Get(ctx, "w/target")
				ended <- err
			}()
			conn, err := l.Accept() // which the call makes
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Get: %v, want that its context has ended", err)
			}
		})
	}
}
