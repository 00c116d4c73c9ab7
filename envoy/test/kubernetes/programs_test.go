//go:build linux

package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programs is the module that builds the control planes.
const programs = "programs"

// gitVersion is what kube-apiserver says of itself: clients read it.
const gitVersion = "-X k8s.io/component-base/version.gitVersion=v1.36.3"

// program is a command that the tests run.
type program string

// The programs of the module.
const (
	envoyGateway program = "github.com/envoyproxy/gateway/cmd/envoy-gateway"
	istiod       program = "istio.io/istio/pilot/cmd/pilot-discovery"
	apiserver    program = "k8s.io/kubernetes/cmd/kube-apiserver"
)

// path returns where the program is built: in the user's cache folder, for this
// module as it is.
func (p program) path() (string, error) {
	mod, err := os.ReadFile(filepath.Join(programs, "go.mod"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(mod, gitVersion...))
	return filepath.Join(cache, "corsgate", "control-planes-"+hex.EncodeToString(sum[:6]), filepath.Base(string(p))), nil
}

// build builds the program if it is not there, and returns its path. That takes minutes.
func (p program) build(ctx context.Context) (string, error) {
	path, err := p.path()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	next := path + ".next"
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w "+gitVersion, "-o", next, string(p))
	cmd.Dir = programs
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", p, err, out)
	}
	return path, os.Rename(next, path)
}

// The modules that define kinds, with a version if no program is built of them.
const (
	gatewayAPIModule   = "sigs.k8s.io/gateway-api"
	istioModule        = "istio.io/istio"
	envoyGatewayModule = "github.com/envoyproxy/gateway"
	certManagerModule  = "github.com/cert-manager/cert-manager@v1.18.2"
	operatorModule     = "github.com/prometheus-operator/prometheus-operator@v0.84.0"
)

// modules are all of them.
var modules = []string{gatewayAPIModule, istioModule, envoyGatewayModule, certManagerModule, operatorModule}

// downloaded is a module.
type downloaded struct{ Dir, Version, Error string }

// download downloads a module, if need be.
func download(ctx context.Context, module string) (m downloaded, err error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = programs
	out, err := cmd.Output()
	if err := errors.Join(err, json.Unmarshal(out, &m)); err != nil || m.Error != "" {
		return m, fmt.Errorf("download %s: %w %s", module, err, m.Error)
	}
	return m, nil
}

// moduleFolder returns the folder of a module that is downloaded.
func moduleFolder(t *testing.T, module string) string {
	t.Helper()
	m, err := download(t.Context(), module)
	return must(t)(m.Dir, err)
}

// moduleVersion returns the version of a module that is downloaded.
func moduleVersion(t *testing.T, module string) string {
	t.Helper()
	m, err := download(t.Context(), module)
	return must(t)(m.Version, err)
}
