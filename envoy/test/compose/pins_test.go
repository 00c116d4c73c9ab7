package compose

import (
	"go/version"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reference is a base image, as it is named in a file.
type reference struct{ name, tag, digest string }

// image returns the reference without the digest, as a local image is named.
func (r reference) image() string { return r.name + ":" + r.tag }

// String returns the reference.
func (r reference) String() string {
	if r.digest == "" {
		return r.image()
	}
	return r.image() + "@" + r.digest
}

// baseImage is a line that names one.
var baseImage = regexp.MustCompile(`(?m)^(?:FROM|\s+image:) ([^\s:@]+)(?::([^\s@]+))?(?:@(\S+))?`)

// baseImages returns those of a file of the repository, but scratch, which is
// nobody's, and corsgate's own, which is named in .env.
func baseImages(t *testing.T, name string) (found []reference) {
	t.Helper()
	for _, m := range baseImage.FindAllStringSubmatch(readFile(t, name), -1) {
		if m[1] != "scratch" && m[1] != "${CORSGATE_IMAGE}" {
			found = append(found, reference{name: m[1], tag: m[2], digest: m[3]})
		}
	}
	return found
}

// The base images.
const (
	goImage    = "golang"
	envoyImage = "envoyproxy/envoy"
	etcdImage  = "quay.io/coreos/etcd"
)

// baseImageOf returns a base image of a file, which names it once.
func baseImageOf(t *testing.T, file, name string) (found reference) {
	t.Helper()
	all := baseImages(t, file)
	for _, r := range all {
		if r.name == name && found == (reference{}) {
			found = r
		} else if r.name == name {
			t.Fatalf("%s names %s twice", file, name)
		}
	}
	if found == (reference{}) {
		t.Fatalf("%s has the base images %v, and not %s", file, all, name)
	}
	return found
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// written returns what re's group matches in a file.
func written(t *testing.T, name, re string) string {
	t.Helper()
	m := regexp.MustCompile(re).FindStringSubmatch(readFile(t, name))
	if m == nil {
		t.Fatalf("%s does not match %s", name, re)
	}
	return m[1]
}

// undigested are base images of whose digest nobody can be sure yet: with one
// that is wrong the demo would not start at all.
var undigested = map[string]bool{envoyImage: true, etcdImage: true}

func TestBaseImagesArePinnedByDigest(t *testing.T) {
	digest := regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	for _, name := range []string{"Dockerfile", "docker-compose.yml"} {
		for _, r := range baseImages(t, name) {
			if pinned := digest.MatchString(r.digest); pinned == undigested[r.name] {
				t.Errorf("%s: %s, pinned %t", name, r, pinned)
			}
		}
	}
}

// TestBaseImagesHaveTheVersionsThatAreTested compares them with go.mod, of which the
// client is etcd's, and with the Envoy that the tests install.
func TestBaseImagesHaveTheVersionsThatAreTested(t *testing.T) {
	tag := "go" + baseImageOf(t, "Dockerfile", goImage).tag
	wanted := "go" + written(t, "go.mod", `(?m)^go (\S+)$`)
	if version.Lang(tag) != version.Lang(wanted) || version.Compare(tag, wanted) < 0 || strings.Count(tag, ".") != 2 {
		t.Errorf("the image is built with %s, and go.mod says %s", tag, wanted)
	}
	if got, want := baseImageOf(t, "docker-compose.yml", envoyImage).tag, "v"+written(t, "envoy/binary.go", `pinnedVersion = "(.+)"`); got != want {
		t.Errorf("docker-compose.yml runs Envoy %s, and the tests %s", got, want)
	}
	if got, want := baseImageOf(t, "docker-compose.yml", etcdImage).tag, written(t, "go.mod", `go\.etcd\.io/etcd/client/v3 (\S+)`); got != want {
		t.Errorf("docker-compose.yml runs etcd %s, and the client is %s", got, want)
	}
}

// TestSupportedEnvoysAreSaid compares what the documents say with the Envoys that
// the tests run.
func TestSupportedEnvoysAreSaid(t *testing.T) {
	oldest := "1." + written(t, "envoy/binary.go", `OldestMinor = (\d+)`)
	if got := written(t, "envoy/test/e2e/oldest_test.go", `oldest = "(\d+\.\d+)\.`); got != oldest {
		t.Errorf("the oldest Envoy is %s, and the tests run %s", oldest, got)
	}
	pinned := written(t, "envoy/binary.go", `pinnedVersion = "(\d+\.\d+)\.`)
	for name, want := range map[string]string{
		"CONTRIBUTING.md": oldest + " and " + pinned + " are supported",
		"README.md":       "Envoy " + oldest + " or newer; " + oldest + " and " + pinned + " are tested",
		"go.mod":          "go-control-plane/envoy v" + pinned + ".",
	} {
		if !strings.Contains(readFile(t, name), want) {
			t.Errorf("%s does not say %q", name, want)
		}
	}
}

// published is a reference to corsgate's image in a registry.
var published = regexp.MustCompile(`[\w-]+\.(?:io|dev|com)/[\w/-]*corsgate(?::\S+)?`)

// TestImageIsNamedOnce finds the image's name in .env, and in no other file but those
// that must name it, which say the same. The module has the name of its repository.
func TestImageIsNamedOnce(t *testing.T) {
	name := imageName(t)
	err := fs.WalkDir(os.DirFS(root), ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (file == ".git" || file == "dist"):
			return fs.SkipDir
		case !entry.Type().IsRegular() || file == ".env" || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		for _, found := range published.FindAllString(readFile(t, file), -1) {
			image, _, _ := strings.Cut(found, ":")
			if strings.HasPrefix(found, "github.com/") || image == name && mustName(file) {
				continue
			}
			t.Errorf("%s names the image %s: the name is %s, in .env", file, found, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mustName reports whether a file has to name the image, since nothing reads .env for it:
// documents, the chart's values, and manifests.
func mustName(file string) bool {
	return filepath.Ext(file) == ".md" || strings.HasPrefix(file, "envoy/kubernetes/")
}
