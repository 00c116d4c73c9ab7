package admin

import (
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
)

// localOnly refuses requests without TLS on a loopback address whose Host is neither an IP
// address nor localhost. A web site can give its own name the address of this machine (DNS
// rebinding), so that its pages could read the answers. But they cannot choose another Host
// than that name, and with TLS a name that the certificate does not have reaches nobody.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil && onLoopback(r) && !isLocalName(r.Host) {
			writeText(w, http.StatusForbidden, "this listener answers to no name but localhost: ask by IP address, or send the header \"Host: localhost\"")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// byKnownName refuses what localOnly refuses, on any address: DNS rebinding reaches addresses
// of a local network, too.
func byKnownName(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil && !isLocalName(r.Host) {
			writeText(w, http.StatusForbidden, "without TLS the console answers to no name but localhost: ask by IP address, or give the listener --admin-tls-cert")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func onLoopback(r *http.Request) bool {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

func isLocalName(authority string) bool {
	host, _, err := net.SplitHostPort(authority)
	if err != nil { // without a port
		host = strings.TrimSuffix(strings.TrimPrefix(authority, "["), "]")
	}
	_, err = netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil
}

// addProfiles adds Go's profiles, the only place that serves them.
func addProfiles(mux *http.ServeMux) {
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
}
