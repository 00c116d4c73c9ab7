package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/server/addr"
)

// Addresses are where a running Envoy listens, as HOST:PORT.
type Addresses struct {
	// Admin is the admin listener.
	Admin string
	// Listeners are the other listeners, by name.
	Listeners map[string]string // :: listener name -> address
}

// probe asks the admin listener, once Envoy has written its address, whether
// it is ready, and where it listens.
func probe(ctx context.Context, adminFile string) (Addresses, bool) {
	admin, err := os.ReadFile(adminFile)
	if err != nil || len(admin) == 0 {
		return Addresses{}, false
	}
	a := Addresses{Admin: strings.TrimSpace(string(admin))}
	if _, err := get(ctx, a.Admin, "/ready"); err != nil {
		return Addresses{}, false
	}
	body, err := get(ctx, a.Admin, "/listeners?format=json")
	if err != nil {
		return Addresses{}, false
	}
	a.Listeners, err = readListeners(body)
	return a, err == nil
}

// get fetches a path of the admin listener; an answer other than 200 is an error.
func get(ctx context.Context, admin, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+path, nil)
	if err != nil {
		return nil, err
	}
	// A new connection each time, so that none stays open.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// readListeners reads Envoy's admin.v3.Listeners.
func readListeners(body []byte) (map[string]string, error) {
	var statuses struct {
		Listeners []struct {
			Name    string `json:"name"`
			Address struct {
				Socket struct {
					Host string `json:"address"`
					Port int    `json:"port_value"`
				} `json:"socket_address"`
				Pipe struct {
					Path string `json:"path"`
				} `json:"pipe"`
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal(body, &statuses); err != nil {
		return nil, fmt.Errorf("read envoy's listeners: %w", err)
	}
	addresses := map[string]string{}
	for _, l := range statuses.Listeners {
		addresses[l.Name] = net.JoinHostPort(l.Address.Socket.Host, strconv.Itoa(l.Address.Socket.Port))
		if l.Address.Pipe.Path != "" {
			addresses[l.Name] = addr.Unix + l.Address.Pipe.Path
		}
	}
	return addresses, nil
}
