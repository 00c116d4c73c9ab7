package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/source/etcd"
	"github.com/corsgate/corsgate/server/source/file"
	"github.com/corsgate/corsgate/server/store"
	"github.com/corsgate/corsgate/server/tlsfile"
)

// defaultPoll is the default of --poll-interval.
const defaultPoll = file.DefaultPoll

// sourceOf returns where policies come from, by the text of --policies. The environment
// has what a store wants to know besides its URL.
func sourceOf(policies string) live.Source {
	if !isURL(policies) {
		return &file.Source{Path: policies, Keep: true}
	}
	backend, err := openStore(policies, accessOfEnvironment())
	if err != nil {
		return badSource{err}
	}
	return storeSource(policies, backend, nil)
}

// storeSource returns the source that follows a store; log gets what hinders that.
func storeSource(url string, backend store.Backend, log *slog.Logger) *store.Source {
	return &store.Source{Backend: backend, Place: url, Logger: log}
}

// fileSource is sourceOf of a path, for callers that watch the policies. They are compared
// every poll, and log gets the errors of that. If keep is set, it returns what it has read,
// for a copy.
func fileSource(path string, poll time.Duration, keep bool, log *slog.Logger) live.Source {
	return &file.Source{Path: path, Poll: poll, Keep: keep, Logger: log}
}

// badSource is one of which it is wrong how it was named.
type badSource struct{ err error }

// Read implements live.Source.
func (s badSource) Read(context.Context) (live.Reading, error) { return live.Reading{}, s.err }

// Watch implements live.Source.
func (s badSource) Watch(context.Context, func()) error { return s.err }

// schemeFolder begins the URL of a store in a folder.
const schemeFolder = "store+file://"

// storeURLs says how the URLs of stores are written.
const storeURLs = "etcd://HOST:2379,HOST:2379/FLEET, etcds:// for TLS, or " + schemeFolder + "/FOLDER"

var urlScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// isURL reports whether a text that may be a path is a URL.
func isURL(text string) bool { return urlScheme.MatchString(text) }

// openStore opens the store of a URL, and does not wait for it. access is for etcd alone.
// The error is about the URL or about access: a wrong command line.
func openStore(url string, access storeAccess) (store.Backend, error) {
	switch {
	case strings.HasPrefix(url, schemeFolder):
		return openFolder(url)
	case etcd.IsURL(url):
		if err := etcd.CheckURL(url); err != nil {
			return nil, misused(storeExamples, "%w", err)
		}
		backend, err := etcd.Open(access.config(url))
		if err != nil {
			return nil, asFault(err, exitUsage, storeHint)
		}
		return backend, nil
	}
	return nil, misused(storeExamples, "%s is not the URL of a store: write %s", printable.Value(url), storeURLs)
}

// config returns the configuration for the etcd of a URL.
func (a storeAccess) config(url string) etcd.Config {
	c := etcd.Config{
		URL: url, TLS: tlsfile.ClientFiles{CA: a.ca, Cert: a.cert, Key: a.key},
		User: a.user, PasswordFile: a.passwordFile,
	}
	if a.passwordFile == "" {
		c.Password = os.Getenv(passwordVariable)
	}
	return c
}

func openFolder(url string) (store.Backend, error) {
	path := strings.TrimPrefix(url, schemeFolder)
	if !filepath.IsAbs(path) {
		return nil, misused(storeExamples, "the folder of %s does not begin with a slash: write %s/FOLDER", printable.Value(url), schemeFolder)
	}
	return &store.Folder{Path: path}, nil
}

// What to try if a store cannot be opened.
const storeExamples = "'corsgate push --help' has examples"
const storeHint = "the files and the user of an etcd are given by --store-tls-ca, --store-tls-cert, --store-tls-key, --store-user and --store-password-file, or CORSGATE_STORE_TLS_CA and so on"

// storeError returns err, of a call to a store, with the exit code that it means and
// what to try.
func storeError(err error, url string) error {
	if err == nil {
		return nil
	}
	shown := printable.Name(url)
	if errors.Is(err, context.Canceled) {
		return &fault{err: errors.New("interrupted"), code: exitInterrupted, hints: []string{fmt.Sprintf("'corsgate history --store %s' shows what was done", shown)}}
	}
	if _, lost := asConflict(err); lost {
		return &fault{err: err, code: exitLost, hints: []string{fmt.Sprintf("'corsgate history --store %s' shows what was pushed", shown)}}
	}
	switch code := live.CodeOf(err); code {
	case store.CodeUnreachable:
		hint := "instances serve on meanwhile; mend that, then try again"
		if isSilence(err) {
			hint = "instances serve on meanwhile; try again when " + shown + " answers"
		}
		return asFault(err, exitUnreachable, hint)
	case store.CodeTarget, store.CodeRecord, store.CodeCheckpoint, store.CodeUnit, store.CodeRecordMissing, store.CodeUnitMissing, store.CodeRoot:
		return asFault(fmt.Errorf("%w [%s]", err, code), exitFailure, "the store is damaged; 'corsgate restore' begins anew from a folder or from what an instance has kept")
	}
	return asFault(err, exitFailure)
}

// isSilence reports whether a store has not answered at all, or not in time.
func isSilence(err error) bool {
	_, ofNetwork := errors.AsType[*net.OpError](err)
	return ofNetwork || errors.Is(err, context.DeadlineExceeded)
}
