package main

import (
	"context"
	"io"
	"testing"
)

// An import that waits for its input, or is at work for long, ends with the command.
func TestImportIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stdin, writer := io.Pipe()
	defer writer.Close()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"import", "-"}, stdin, io.Discard, io.Discard) }()
	if _, err := writer.Write([]byte("kind: List\n")); err != nil {
		t.Fatal(err)
	}
	cancel()
	if code := <-ended; code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
}
