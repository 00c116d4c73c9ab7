package compose

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
)

// image is a stand-in for a base image: files of this machine. No registry is
// asked.
type image struct {
	name    string
	files   map[string]string // :: path in the image -> file or folder here
	changes []string          // Dockerfile instructions
}

// goStandIn has this machine's Go and shell, and the modules that go.mod names,
// for a build that asks nobody.
func goStandIn(t *testing.T, root string) image {
	t.Helper()
	goroot := strings.TrimSpace(output(t, root, "go", "env", "GOROOT"))
	cache := filepath.Join(strings.TrimSpace(output(t, root, "go", "env", "GOMODCACHE")), "cache", "download")
	files := withLibraries(t, map[string]string{"/bin/sh": "/bin/sh"})
	for _, part := range []string{"bin", "pkg", "src", "go.env", "VERSION"} {
		files["/usr/local/go/"+part] = filepath.Join(goroot, part)
	}
	for _, file := range moduleFiles(t, root, cache) {
		inside, err := filepath.Rel(cache, file)
		if err != nil {
			t.Fatal(err)
		}
		files["/modules/"+inside] = file
	}
	return image{baseImageOf(t, "Dockerfile", goImage).image(), files, []string{
		"ENV PATH=/usr/local/go/bin:/usr/bin:/bin GOPROXY=file:///modules GOSUMDB=off GOTOOLCHAIN=local GOFLAGS=-buildvcs=false",
	}}
}

// moduleFiles are the files of the modules that go.mod names, as a proxy has
// them, and every go.mod of the cache: those of modules that are not used
// decide about versions too.
func moduleFiles(t *testing.T, root, cache string) []string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(output(t, root, "go", "mod", "download", "-json")))
	var files []string
	for {
		var m struct{ Info, Zip string }
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, m.Info, m.Zip)
	}
	err := filepath.WalkDir(cache, func(name string, _ fs.DirEntry, err error) error {
		if filepath.Ext(name) == ".mod" {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// envoyStandIn has this machine's Envoy.
func envoyStandIn(t *testing.T) image {
	t.Helper()
	return programs(t, envoyImage, map[string]string{"/usr/local/bin/envoy": envoytest.Binary(t)})
}

// etcdStandIn has this machine's etcd.
func etcdStandIn(t *testing.T) image {
	t.Helper()
	files := map[string]string{}
	for _, name := range []string{"etcd", "etcdctl"} {
		file, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		files["/usr/local/bin/"+name] = file
	}
	return programs(t, etcdImage, files)
}

// programs has programs of this machine, in place of an image of docker-compose.yml.
func programs(t *testing.T, name string, files map[string]string) image {
	t.Helper()
	return image{baseImageOf(t, "docker-compose.yml", name).image(), withLibraries(t, files), []string{"ENV PATH=/usr/local/bin"}}
}

// library is a line of ldd: the path of a shared library.
var library = regexp.MustCompile(`(?m)(?:=> |^\t)(/\S+) \(0x`)

// withLibraries adds the shared libraries that the programs need.
func withLibraries(t *testing.T, programs map[string]string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for inside, program := range programs {
		files[inside] = program
		for _, found := range library.FindAllStringSubmatch(output(t, "", "ldd", program), -1) {
			files[found[1]] = found[1]
		}
	}
	return files
}

func output(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = folder
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// load gives the engine an image.
func (e engine) load(t *testing.T, i image) {
	t.Helper()
	args := []string{"docker", "import"}
	for _, c := range i.changes {
		args = append(args, "--change", c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	cmd := e.command(ctx, "", append(args, "-", i.name)...)
	reader, writer := io.Pipe()
	cmd.Stdin = reader
	go func() { writer.CloseWithError(i.write(writer)) }()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("import %s: %v\n%s", i.name, err, out)
	}
}

// write writes the image's files as a tar.
func (i image) write(w io.Writer) error {
	archive := tar.NewWriter(w)
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return err
	}
	for inside, source := range i.files {
		if err := addTree(archive, inside, source); err != nil {
			return err
		}
	}
	return archive.Close()
}

// addTree adds a file, or all files of a folder. A link becomes what it names.
func addTree(archive *tar.Writer, inside, source string) error {
	return filepath.WalkDir(source, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		below, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		return addFile(archive, path.Join(inside, filepath.ToSlash(below)), name)
	})
}

func addFile(archive *tar.Writer, inside, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Name: strings.TrimPrefix(inside, "/"), Mode: int64(info.Mode().Perm()), Size: info.Size()}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}
