FROM python:3.13-slim-bookworm AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends binutils >/dev/null \
 && rm -rf /var/lib/apt/lists/* \
 && python -m venv --without-pip /venv
# Only the lock file is copied here: the layer is built anew when a version changes, not with the code.
COPY requirements.lock ./
# Bytecode is compiled once and never checked against its source: at run time nothing is written.
# uvloop's wheel carries 14 MB of debug symbols, a tenth of all that is installed.
RUN pip --python /venv/bin/python install --quiet --require-hashes -r requirements.lock \
 && strip --strip-debug /venv/lib/python3.*/site-packages/uvloop/*.so \
 && python -m compileall -q --invalidation-mode unchecked-hash /venv/lib


FROM dependencies AS project
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
# Into a folder of its own, so that the image gets the project as one small layer over its dependencies.
RUN pip --python /venv/bin/python install --quiet --no-deps --no-build-isolation --prefix /project . \
 && python -m compileall -q --invalidation-mode unchecked-hash /project/lib
COPY services /app/services
COPY config /app/config
RUN python -m compileall -q --invalidation-mode unchecked-hash /app/services


FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="flask-fastapi-gateway" \
      org.opencontainers.image.description="One process that serves Flask and FastAPI side by side." \
      org.opencontainers.image.licenses="MIT"

# Anybody may write to /data: a tmpfs mounted there takes its mode from here but belongs to root, and
# the container may be started as another user. Nobody else lives in it.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp gateway \
 && install --directory --owner 10001 --group 10001 --mode 1777 /data

COPY --from=dependencies /venv /venv
COPY --from=project /project /venv
COPY --from=project /app /app

ENV PATH=/venv/bin:$PATH
# The base image comes without the standard library's bytecode. One run, while it can still be
# written, leaves that of every module that the command imports: for quicker starts and health checks.
RUN gateway --version

# Threads that come and go leave what they have freed in arenas of their own; with two for all, memory
# stays where it is needed.
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    HOME=/tmp \
    PORT=8000 \
    GATEWAY_SERVER__HOST=0.0.0.0 \
    CATALOG_DATABASE_URL=sqlite:////data/catalog.db \
    GATEWAY_SWITCH__DATABASE=sqlite:////data/switch.db

WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM

# http.client, not urllib: a proxy named in the environment must not be asked for 127.0.0.1.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2); c.request('GET', '/_gateway/readyz'); sys.exit(c.getresponse().status != 200)"]

CMD ["gateway", "serve", "--config", "config/gateway.toml"]
