# The image of app-metrics-proxy.
#
#   docker build -t app-metrics-proxy .
#
# Nothing native is built: the same file makes the image for amd64 and arm64.
#
# Behind a package mirror or a proxy with a CA of its own:
#
#   docker build -t app-metrics-proxy \
#     --build-arg NPM_CONFIG_REGISTRY=https://mirror.example/npm/ \
#     --build-arg CA_CERTIFICATES="$(cat my-ca.pem)" .

FROM node:24-bookworm-slim AS packages
WORKDIR /app
# Empty: npm's own default.
ARG NPM_CONFIG_REGISTRY=
# PEM text of further certificates that npm trusts. It stays in this stage.
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
# The program reads its version from it.
COPY package.json ./
ENV NODE_ENV=production \
    CACHE_DIR=/var/lib/app-metrics-proxy
# For root without any capability as well as for the user of the image's own, 10001.
RUN install --directory --owner=10001 --group=0 --mode=0770 /var/lib/app-metrics-proxy
VOLUME /var/lib/app-metrics-proxy
EXPOSE 22 2137
# It runs as root: on most machines only root and a group whose number differs from machine to machine may use
# the Docker socket. Behind a socket proxy it runs as 10001 (`user: "10001"`).
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["node", "/app/dist/main.js", "healthcheck"]
# No program that it starts can gain privileges, which a stack file cannot ask of Swarm. A smaller young generation
# than Node's own default: a third less memory for the same CPU.
ENTRYPOINT ["setpriv", "--no-new-privs", "node", "--max-semi-space-size=8", "/app/dist/main.js"]
CMD ["serve"]
