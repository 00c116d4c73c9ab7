package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

// The parts of an image's configuration that are used here, as the OCI image
// specification names them (https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md),
// and Docker's health check.
type (
	imageConfig struct {
		Created      time.Time     `json:"created"`
		Architecture string        `json:"architecture"`
		OS           string        `json:"os"`
		Config       runConfig     `json:"config"`
		RootFS       imageContents `json:"rootfs"`
	}
	runConfig struct {
		User         string
		ExposedPorts map[string]struct{}
		Env          []string
		Entrypoint   []string
		Cmd          []string
		Healthcheck  healthcheck
		Labels       map[string]string
	}
	healthcheck struct {
		Test                           []string
		Interval, Timeout, StartPeriod time.Duration
		Retries                        int
	}
	imageContents struct {
		Type  string   `json:"type"`
		Diffs []string `json:"diff_ids"`
	}
	// manifest is an image of an archive that docker load reads.
	manifest struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
)

// runConfig returns how a container of the image runs: as the Dockerfile at the
// root of the repository says.
func (r release) runConfig() runConfig {
	return runConfig{
		User:         "65532:65532",
		ExposedPorts: map[string]struct{}{"9001/tcp": {}},
		Env:          []string{"CORSGATE_POLICIES=/etc/corsgate/policies", "CORSGATE_GRPC_LISTEN=0.0.0.0:9001"},
		Entrypoint:   []string{"/corsgate"},
		Cmd:          []string{"serve"},
		Healthcheck: healthcheck{
			Test: []string{"CMD", "/corsgate", "health"}, Interval: 5 * time.Second, Timeout: 3 * time.Second,
			StartPeriod: 10 * time.Second, Retries: 3,
		},
		Labels: map[string]string{
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.revision": r.revision,
			"org.opencontainers.image.source":   "https://github.com/corsgate/corsgate",
			"org.opencontainers.image.version":  r.version,
		},
	}
}

// imageArchive returns an image of the files, on no base image, as docker load
// reads it.
func (r release) imageArchive(arch string, files []file) ([]byte, error) {
	layer, err := tarOf(files, r.time)
	if err != nil {
		return nil, err
	}
	packed, err := gzipped(layer)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(imageConfig{
		Created: r.time, Architecture: arch, OS: "linux", Config: r.runConfig(),
		RootFS: imageContents{Type: "layers", Diffs: []string{"sha256:" + digest(layer)}},
	})
	if err != nil {
		return nil, err
	}
	m := manifest{Config: digest(config) + ".json", RepoTags: []string{r.image + ":" + r.version}, Layers: []string{digest(packed) + ".tar.gz"}}
	index, err := json.Marshal([]manifest{m})
	if err != nil {
		return nil, err
	}
	return tarOf([]file{
		{name: m.Config, content: config},
		{name: m.Layers[0], content: packed},
		{name: "manifest.json", content: index},
	}, r.time)
}

func digest(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }
