// Command traefiktest serves with the headers middleware and the muxer of Traefik:
// traefiktest SOCKET reads its input in YAML, and answers the host N.test with the Nth of the
// settings. A request that names a muxer in its header X-Muxer goes through that one.
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
	"github.com/traefik/traefik/v3/pkg/middlewares/requestdecorator"
	muxer "github.com/traefik/traefik/v3/pkg/muxer/http"
)

// input is what is served. A router without headers goes to the application.
type input struct {
	Settings []dynamic.Headers
	Muxers   map[string][]struct {
		Rule      string
		Priority  int
		Headers   *dynamic.Headers
		Redirects bool
	}
}

func main() {
	if err := serve(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func serve(socket string) error {
	var in input
	if err := yaml.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	handlers := map[string]http.Handler{}
	for i, h := range in.Settings {
		handler, err := through(&h)
		if err != nil {
			return err
		}
		handlers[fmt.Sprintf("%d.test", i)] = handler
	}
	muxers, err := in.muxers()
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	decorator := requestdecorator.New(nil)
	server := http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := muxers[r.Header.Get("X-Muxer")]; m != nil {
			decorator.ServeHTTP(w, r, m.ServeHTTP)
		} else if h := handlers[r.Host]; h != nil {
			h.ServeHTTP(w, r)
		}
	})}
	return server.Serve(listener)
}

func application(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Total", "1")
	w.WriteHeader(http.StatusOK) // without it, the middleware changes nothing
}

func through(h *dynamic.Headers) (http.Handler, error) {
	if h == nil {
		return http.HandlerFunc(application), nil
	}
	return headers.New(context.Background(), http.HandlerFunc(application), *h, "test")
}

func (in input) muxers() (map[string]http.Handler, error) {
	parser, err := muxer.NewSyntaxParser()
	if err != nil {
		return nil, err
	}
	all := map[string]http.Handler{}
	for name, routers := range in.Muxers {
		m := muxer.NewMuxer(parser, nil)
		for _, rt := range routers {
			handler, err := through(rt.Headers)
			if err != nil {
				return nil, err
			}
			if rt.Redirects {
				handler = http.RedirectHandler("https://a.test", http.StatusFound)
			}
			if rt.Priority == 0 {
				rt.Priority = muxer.GetRulePriority(rt.Rule)
			}
			if err := m.AddRoute(rt.Rule, "v3", rt.Priority, "file", handler); err != nil {
				return nil, err
			}
		}
		all[name] = m
	}
	return all, nil
}
