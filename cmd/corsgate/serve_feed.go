package main

import "github.com/corsgate/corsgate/server/feed"

var feedWords = joinedWords{
	flag: "feed", help: "receive on --grpc-listen what the Envoys of 'envoy-config --profile no-trip --feed' decide by themselves: count it, and decide it again",
	client: "may report it", open: "write decisions into metrics and logs",
	allow: "has no effect without --feed", remote: "takes decisions from whoever reaches it",
}

// feedServer returns the server that receives the feed, or nil.
func (f *joinedFlags) feedServer() *feed.Server {
	if !f.on {
		return nil
	}
	return &feed.Server{Allowed: f.allowed}
}
