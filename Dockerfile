# Build: a static binary; its version comes from the repository's own tags. The
# digest is that of the image for all platforms.
FROM golang:1.26.8@sha256:6c2a5538f964f1c82f97ad14988bf05de100d922d159d0e398b54c7b0ca0c6c9 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/corsgate ./cmd/corsgate

# Run: nothing but the binary. It writes no file but those in --state-dir, so the root may be mounted read-only.
FROM scratch
COPY --from=build /out/corsgate /corsgate
USER 65532:65532
# Inside a container, loopback reaches nobody: Envoy asks over the network. The
# admin listener stays on the container's loopback, for the health check.
ENV CORSGATE_POLICIES=/etc/corsgate/policies \
    CORSGATE_GRPC_LISTEN=0.0.0.0:9001
EXPOSE 9001
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["/corsgate", "health"]
ENTRYPOINT ["/corsgate"]
CMD ["serve"]
