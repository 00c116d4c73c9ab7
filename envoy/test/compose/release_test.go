package compose

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// releaseVersion is the version that can be released: that of the changelog's
// top entry.
func releaseVersion(t *testing.T) string {
	t.Helper()
	return written(t, "CHANGELOG.md", `(?m)^## (\S+)$`)
}

// imageName returns the name of corsgate's image.
func imageName(t *testing.T) string {
	t.Helper()
	return written(t, ".env", `(?m)^CORSGATE_IMAGE=(\S+)$`)
}

// loadRelease makes a release of the last commit twice, compares, and gives the
// engine its image, which docker-compose.yml then names.
func (s *stack) loadRelease(t *testing.T) {
	t.Helper()
	version := releaseVersion(t)
	folder, sums := makeRelease(t, version)
	output(t, folder, "sha256sum", "--check", "--strict", "SHA256SUMS")
	if _, again := makeRelease(t, version); again != sums {
		t.Errorf("a second release differs: - the first, + the second\n%s", cmp.Diff(sums, again))
	}
	s.engine.run(t, folder, "docker", "load", "--input", "corsgate_"+version+"_linux_"+runtime.GOARCH+"_image.tar")
	t.Setenv("CORSGATE_TAG", version)
}

// makeRelease makes a release in a clone without the repository's tags, so that
// the version may be out. It returns the release's folder and its checksums.
func makeRelease(t *testing.T, version string) (folder, sums string) {
	t.Helper()
	clone := t.TempDir()
	output(t, root, "git", "clone", "--quiet", "--no-tags", ".", clone)
	output(t, clone, ".ci/release", version)
	folder = filepath.Join(clone, "dist", version)
	content, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(content), "\n"); n != 10 { // four platforms' archives and SBOMs, two images
		t.Errorf("a release has %d files:\n%s", n, content)
	}
	return folder, string(content)
}

// sameConfig holds that the images of a release run as the one that the
// Dockerfile builds.
func sameConfig(t *testing.T, e engine) {
	t.Helper()
	built, released := imageConfig(t, e, "dev"), imageConfig(t, e, releaseVersion(t))
	if diff := cmp.Diff(built, released); diff != "" {
		t.Errorf("the image of a release runs otherwise: - the Dockerfile, + the release\n%s", diff)
	}
}

// config is how the containers of an image run.
type config struct {
	User            string
	ExposedPorts    map[string]any
	Env             []string
	Entrypoint, Cmd []string
	Healthcheck     map[string]any
}

func imageConfig(t *testing.T, e engine, tag string) (c config) {
	t.Helper()
	text := e.run(t, "", "docker", "image", "inspect", "--format", "{{json .Config}}", imageName(t)+":"+tag)
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	// The engine adds a PATH to what it builds; there is nothing to find by it.
	c.Env = slices.DeleteFunc(c.Env, func(v string) bool { return strings.HasPrefix(v, "PATH=") })
	return c
}
