# The image of app-metrics-proxy.
#
#   docker build -t app-metrics-proxy .
#
# No native code is compiled: this file builds the image for amd64 and arm64.
#
# Behind a package mirror or a proxy with its own certificate authority:
#
#   docker build -t app-metrics-proxy \
#     --build-arg NPM_CONFIG_REGISTRY=https://mirror.example/npm/ \
#     --build-arg CA_CERTIFICATES="$(cat my-ca.pem)" .

FROM node:24-bookworm-slim AS packages
WORKDIR /app
# Empty: npm's default.
ARG NPM_CONFIG_REGISTRY=
# Additional certificates that npm trusts, in PEM format. They stay in this stage.
ARG CA_CERTIFICATES=
ENV NODE_EXTRA_CA_CERTS=/tmp/ca.pem
RUN printf '%s\n' "$CA_CERTIFICATES" > /tmp/ca.pem
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM packages AS build
ARG NPM_CONFIG_REGISTRY=
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

FROM node:24-bookworm-slim
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="app-metrics-proxy" \
      org.opencontainers.image.description="Prometheus metrics of every container of a Docker Swarm through one port per node" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
# The program reads its version from this file.
COPY package.json ./
ENV NODE_ENV=production \
    CACHE_DIR=/var/lib/app-metrics-proxy
# Writable for root without capabilities, and for user 10001.
RUN install --directory --owner=10001 --group=0 --mode=0770 /var/lib/app-metrics-proxy
VOLUME /var/lib/app-metrics-proxy
EXPOSE 22 2137
# Runs as root, because on most machines only root and a group whose id varies may use the Docker socket. With a socket
# proxy, set `user: "10001"`.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["node", "/app/dist/main.js", "healthcheck"]
# No process can gain privileges; a stack file cannot set this for Swarm. A smaller young generation than Node's default
# takes a third less memory and no more CPU time.
ENTRYPOINT ["setpriv", "--no-new-privs", "node", "--max-semi-space-size=8", "/app/dist/main.js"]
CMD ["serve"]
