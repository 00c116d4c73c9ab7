// Command release writes the archives, the images and the checksums of a
// release; .ci/release builds what goes into them. The same input gives the same
// bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release says what is packed.
type release struct {
	version  string
	image    string // the image's name, without a tag
	revision string // the commit
	time     time.Time
	build    string // a folder for each platform, such as linux_amd64
	out      string
}

func run(args []string, stderr io.Writer) error {
	var r release
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&r.version, "version", "", "`VERSION` of the release")
	flags.StringVar(&r.image, "image", "", "`NAME` of the image, without a tag")
	flags.StringVar(&r.revision, "revision", "", "the `COMMIT` that was built")
	seconds := flags.Int64("time", 0, "the time of all files, in `SECONDS` since 1970")
	flags.StringVar(&r.build, "build", "", "`FOLDER` with a folder of files for each platform, such as linux_amd64")
	flags.StringVar(&r.out, "out", "", "`FOLDER` to write to; SHA256SUMS has all of its files")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r.time = time.Unix(*seconds, 0).UTC()
	return r.write()
}

// write writes an archive for each platform, an image for those that containers
// run on, and the checksums of all that is in r.out.
func (r release) write() error {
	platforms, err := os.ReadDir(r.build)
	if err != nil {
		return err
	}
	for _, p := range platforms {
		if err := r.writePlatform(p.Name()); err != nil {
			return fmt.Errorf("%s: %w", p.Name(), err)
		}
	}
	return writeChecksums(r.out)
}

func (r release) writePlatform(platform string) error {
	system, arch, ok := strings.Cut(platform, "_")
	if !ok {
		return errors.New("not a platform: name the folder OS_ARCH, such as linux_amd64")
	}
	files, err := readTree(os.DirFS(filepath.Join(r.build, platform)))
	if err != nil {
		return err
	}
	name := "corsgate_" + r.version + "_" + platform
	archive, err := tarGz(below(name, files), r.time)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.out, name+".tar.gz"), archive, 0o644); err != nil {
		return err
	}
	if system != "linux" {
		return nil
	}
	image, err := r.imageArchive(arch, files)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, name+"_image.tar"), image, 0o644)
}

// writeChecksums writes SHA256SUMS, as sha256sum --check reads it.
func writeChecksums(folder string) error {
	const sums = "SHA256SUMS"
	files, err := readTree(os.DirFS(folder))
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, f := range files {
		if f.name != sums {
			fmt.Fprintf(&text, "%s  %s\n", digest(f.content), f.name)
		}
	}
	return os.WriteFile(filepath.Join(folder, sums), []byte(text.String()), 0o644)
}
