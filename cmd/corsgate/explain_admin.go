package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/printable"
)

// askAdmin returns an explainer that asks the admin listener at address, a URL or
// HOST:PORT.
func askAdmin(address string) (explainer, error) {
	u, err := adminURL("--admin", address, "http://127.0.0.1:9002")
	if err != nil {
		return nil, err
	}
	page := u.JoinPath("/explain")
	return func(ctx context.Context, q explain.Question) (explain.Report, error) {
		return postQuestion(ctx, page, q)
	}, nil
}

func postQuestion(ctx context.Context, page *url.URL, q explain.Question) (r explain.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	body, err := json.Marshal(q)
	if err != nil {
		return r, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, page.String(), bytes.NewReader(body))
	if err != nil {
		return r, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := directClient.Do(req)
	if err != nil {
		return r, asFault(fmt.Errorf("cannot ask %s: %w", page.Redacted(), err), exitUsage, "is 'corsgate serve' running, and is --admin its --admin-listen?")
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxInput))
	if err != nil {
		return r, fmt.Errorf("read the answer of %s: %w", page.Redacted(), err)
	}
	if resp.StatusCode != http.StatusOK {
		return r, fmt.Errorf("%s answered %s: %.512s", page.Redacted(), printable.Text(resp.Status), printable.Text(string(bytes.TrimSpace(answer))))
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return r, fmt.Errorf("read the answer of %s: %w", page.Redacted(), err)
	}
	return r, nil
}
