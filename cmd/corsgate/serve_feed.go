package main

import "github.com/corsgate/corsgate/server/feed"

var feedWords = joinedWords{
	flag: "feed", help: "take what the Envoys of 'envoy-config --profile no-trip --feed' decide by themselves, on --grpc-listen: count it, and decide it again",
	client: "tells it", open: "write decisions into metrics and logs",
	allow: "says who tells what --feed takes", remote: "takes decisions from whoever reaches it",
}

// feedServer returns what takes the feed, or nil.
func (f *joinedFlags) feedServer() *feed.Server {
	if !f.on {
		return nil
	}
	return &feed.Server{Allowed: f.allowed}
}
