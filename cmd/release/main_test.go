package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pack packs the files of a platform, which have the mode and are as old as
// said, and returns the folder with the release.
func pack(t *testing.T, platform string, mode os.FileMode, modified time.Time, names ...string) string {
	t.Helper()
	build, out := t.TempDir(), t.TempDir()
	for _, name := range names {
		file := filepath.Join(build, platform, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		perm := mode
		if name == "corsgate" {
			perm |= 0o111
		}
		if err := os.WriteFile(file, []byte("content of "+name), perm); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	err := run([]string{"-version", "0.1.0", "-image", "example.com/corsgate", "-revision", "abc", "-time", "1700000000",
		"-build", build, "-out", out}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// contents returns the files of a tar: by name, "MODE OWNER CONTENT".
func contents(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	all := map[string]string{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 1700000000 {
			t.Errorf("%s is of %d:%d, %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		all[h.Name] = os.FileMode(h.Mode).String() + " " + string(content)
	}
}

func unzip(t *testing.T, r io.Reader) io.Reader {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func read(t *testing.T, folder, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestArchiveHasTheFiles(t *testing.T) {
	out := pack(t, "darwin_arm64", 0o600, time.Now(), "corsgate", "licenses/a/LICENSE")
	got := contents(t, unzip(t, bytes.NewReader(read(t, out, "corsgate_0.1.0_darwin_arm64.tar.gz"))))
	want := map[string]string{
		"corsgate_0.1.0_darwin_arm64/corsgate":           "-rwxr-xr-x content of corsgate",
		"corsgate_0.1.0_darwin_arm64/licenses/a/LICENSE": "-rw-r--r-- content of licenses/a/LICENSE",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(out, "corsgate_0.1.0_darwin_arm64_image.tar")); err == nil {
		t.Error("there is an image for macOS")
	}
}

// TestImageHasTheFiles follows the digests, as the engine does.
func TestImageHasTheFiles(t *testing.T) {
	out := pack(t, "linux_arm64", 0o600, time.Now(), "corsgate", "LICENSE")
	members := contents(t, bytes.NewReader(read(t, out, "corsgate_0.1.0_linux_arm64_image.tar")))
	member := func(name string) string {
		content, ok := strings.CutPrefix(members[name], "-rw-r--r-- ")
		if !ok {
			t.Fatalf("no member %q in %v", name, len(members))
		}
		return content
	}
	var manifests []manifest
	if err := json.Unmarshal([]byte(member("manifest.json")), &manifests); err != nil || len(manifests) != 1 {
		t.Fatalf("%d manifests, %v", len(manifests), err)
	}
	m := manifests[0]
	if diff := cmp.Diff([]string{"example.com/corsgate:0.1.0"}, m.RepoTags); diff != "" {
		t.Error(diff)
	}
	var config imageConfig
	if err := json.Unmarshal([]byte(member(m.Config)), &config); err != nil {
		t.Fatal(err)
	}
	if config.Architecture != "arm64" || config.OS != "linux" || len(config.RootFS.Diffs) != 1 || len(m.Layers) != 1 {
		t.Fatalf("%+v, layers %q", config, m.Layers)
	}
	layer, err := io.ReadAll(unzip(t, strings.NewReader(member(m.Layers[0]))))
	if err != nil {
		t.Fatal(err)
	}
	if got := "sha256:" + digest(layer); got != config.RootFS.Diffs[0] {
		t.Errorf("the layer is %s, and the image says %s", got, config.RootFS.Diffs[0])
	}
	want := map[string]string{"corsgate": "-rwxr-xr-x content of corsgate", "LICENSE": "-rw-r--r-- content of LICENSE"}
	if diff := cmp.Diff(want, contents(t, bytes.NewReader(layer))); diff != "" {
		t.Error(diff)
	}
}

// TestMachineDoesNotMatter packs the same files as two machines have them.
func TestMachineDoesNotMatter(t *testing.T) {
	one := read(t, pack(t, "linux_amd64", 0o600, time.Unix(1, 0), "corsgate", "a", "b"), "SHA256SUMS")
	other := read(t, pack(t, "linux_amd64", 0o444, time.Unix(2, 0), "b", "a", "corsgate"), "SHA256SUMS")
	if diff := cmp.Diff(string(one), string(other)); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"  corsgate_0.1.0_linux_amd64.tar.gz\n", "  corsgate_0.1.0_linux_amd64_image.tar\n"} {
		if !strings.Contains(string(one), name) {
			t.Errorf("no checksum of%sin\n%s", name, one)
		}
	}
}

func TestFolderOfNoPlatformIsRefused(t *testing.T) {
	build := t.TempDir()
	if err := os.Mkdir(filepath.Join(build, "linux"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := run([]string{"-build", build, "-out", t.TempDir()}, io.Discard)
	if want := "linux: not a platform: name the folder OS_ARCH, such as linux_amd64"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
