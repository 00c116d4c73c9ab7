package etcd_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/etcd"
)

// failing is an etcd that fails once, and is empty.
type failing struct {
	etcdserverpb.UnimplementedKVServer
	err   error
	calls atomic.Int64
}

func (f *failing) Txn(context.Context, *etcdserverpb.TxnRequest) (*etcdserverpb.TxnResponse, error) {
	if f.calls.Add(1) == 1 {
		return nil, f.err
	}
	return &etcdserverpb.TxnResponse{}, nil
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
			f := &failing{err: c.err}
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
