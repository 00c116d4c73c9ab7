package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// corsgatePackage is what is built to be measured.
const corsgatePackage = "github.com/corsgate/corsgate/cmd/corsgate"

// buildCorsgate builds the corsgate of this tree into folder. It sets neither compiler
// flags nor CGO_ENABLED, so that the go command can use what it has in its cache.
func buildCorsgate(ctx context.Context, folder string) (string, error) {
	path := filepath.Join(folder, "corsgate")
	out, err := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", path, corsgatePackage).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build corsgate: %w: %s (run it in the repository, or name one with --corsgate)", err, bytes.TrimSpace(out))
	}
	return path, nil
}

// policies is the file that corsgate serves in all measurements with a service.
const policies = `policies:
- name: api
  hosts: [api.example.com]
  cors:
    allowOrigins: [https://app.example.com, https://admin.example.com, "https://*.apps.example.com", https://apps.example.com, "http://localhost:*"]
    allowMethods: [GET, PUT, DELETE]
    allowHeaders: [authorization, content-type]
    exposeHeaders: [x-request-id]
    allowCredentials: true
    maxAge: 600
`

// writePolicies writes the policy file into folder.
func writePolicies(folder string) (string, error) {
	path := filepath.Join(folder, "policies.yaml")
	if err := os.WriteFile(path, []byte(policies), 0o600); err != nil {
		return "", fmt.Errorf("write the policies: %w", err)
	}
	return path, nil
}

// startCorsgate starts "corsgate serve" on listen and waits until it listens.
func startCorsgate(ctx context.Context, binary, policies, listen string, env ...string) (*process, error) {
	free, err := freeAddresses(1)
	if err != nil {
		return nil, err
	}
	p := &process{admin: free[0], cmd: exec.CommandContext(ctx, binary, "serve", "--policies", policies, "--grpc-listen", listen,
		"--admin-listen", free[0], "--drain-delay", "0s", "--drain-timeout", "100ms")}
	p.cmd.Env = append(os.Environ(), env...)
	p.terminates = true
	log, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("corsgate: %w", err)
	}
	if err := p.launch(); err != nil {
		return nil, fmt.Errorf("corsgate: %w", err)
	}
	address, err := awaitListening(log)
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	p.address = address
	return p, nil
}

// awaitListening reads corsgate's log until it says where it listens. After that it
// discards the log.
func awaitListening(log io.Reader) (address string, err error) {
	lines := bufio.NewScanner(log)
	var last string
	for lines.Scan() {
		last = lines.Text()
		var entry struct{ GRPC string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.GRPC != "" {
			go io.Copy(io.Discard, log) // ends with the process
			return withScheme(entry.GRPC), nil
		}
	}
	return "", fmt.Errorf("corsgate does not listen: %s", last)
}

// withScheme puts "unix://" before the path of a Unix socket.
func withScheme(address string) string {
	if filepath.IsAbs(address) {
		return "unix://" + address
	}
	return address
}
