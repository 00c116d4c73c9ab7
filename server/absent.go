package server

import (
	"log/slog"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// absent answers calls of services that are not served, and logs calls of some of them.
type absent struct {
	hints map[string]string
	log   *slog.Logger

	mu   sync.Mutex
	told map[string]bool
}

func newAbsent(hints map[string]string, log *slog.Logger) *absent {
	return &absent{hints: hints, log: orDiscard(log), told: map[string]bool{}}
}

// answer is a grpc.StreamHandler.
func (a *absent) answer(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if hint := a.hints[service]; hint != "" && a.first(service) {
		a.log.Warn("an Envoy calls a service that is not served", "service", service, "hint", hint)
	}
	return status.Errorf(codes.Unimplemented, "unknown service %v", service)
}

// first reports whether the service has not been asked for before.
func (a *absent) first(service string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := a.told[service]
	a.told[service] = true
	return !told
}
