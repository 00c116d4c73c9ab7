package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// playUpstream serves the application behind Envoy: net/http with a short JSON answer. It
// answers preflights that reach it. A path under /vary/ says which Vary its answer has.
func playUpstream(_ context.Context, _ struct{}, in *bufio.Scanner, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(answer)}
	fmt.Fprintln(out, dialable(l.Addr()))
	go func() {
		untilEOF(in)
		_ = srv.Close() // ends Serve
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("upstream: %w", err)
	}
	return nil
}

// body is what a request gets.
var body = []byte(`{"items":[{"id":1,"name":"one"},{"id":2,"name":"two"}],"next":null}`)

func answer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Allow-Methods", "GET, PUT, DELETE")
		h.Set("Access-Control-Allow-Headers", "authorization, content-type")
		h.Set("Access-Control-Max-Age", "600")
		h.Set("Vary", "Origin")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if vary, found := strings.CutPrefix(r.URL.Path, "/vary/"); found && vary != "" {
		h.Set("Vary", vary)
	}
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(body) // it does not matter if the client has gone
}
