// Command traefiktest serves with the headers middleware of Traefik: traefiktest SOCKET reads
// a list of its settings in YAML, and answers the host N.test with the Nth one.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/middlewares/headers"
)

func main() {
	if err := serve(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func serve(socket string) error {
	var all []dynamic.Headers
	if err := yaml.NewDecoder(os.Stdin).Decode(&all); err != nil {
		return err
	}
	application := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Total", "1")
		w.WriteHeader(http.StatusOK) // without it, the middleware changes nothing
	})
	handlers := map[string]http.Handler{}
	for i, h := range all {
		handler, err := headers.New(context.Background(), application, h, "test")
		if err != nil {
			return err
		}
		handlers[fmt.Sprintf("%d.test", i)] = handler
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := handlers[r.Host]; h != nil {
			h.ServeHTTP(w, r)
		}
	})}
	return server.Serve(listener)
}
