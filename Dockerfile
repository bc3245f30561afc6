ARG RUNTIME_IMAGE=gcr.io/distroless/nodejs24-debian13:nonroot

FROM node:24-slim AS build
WORKDIR /postsync
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts scripts
COPY src src
RUN npm run build

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="postsync" \
      org.opencontainers.image.description="Runs your tests each time Flux has installed or upgraded a HelmRelease" \
      org.opencontainers.image.licenses="Apache-2.0"
# Distroless keeps node in /nodejs/bin, which is not in its PATH; elsewhere the folder does not exist and does no harm.
ENV PATH=/nodejs/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    NODE_ENV=production
# The map is for NODE_OPTIONS=--enable-source-maps, which costs 26 MB of memory and is off for that.
COPY --from=build /postsync/dist /postsync
USER 65532:65532
EXPOSE 8080
# The entrypoint is the program alone, so that a command given to the container is a command of postsync.
# An idle process would keep the garbage of its start: a smaller young generation is collected sooner, and an old one that
# has grown by a fifth as well (docs/benchmarks.md).
ENTRYPOINT ["node", "--max-semi-space-size=2", "--heap-growing-percent=20", "/postsync/postsync.mjs"]
