# The tag names the image for readers, and the digest pins it. Change both together.
FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
# Debian's SQLite has the WAL-reset bug, which can damage a database. This image builds a fixed version.
ADD --checksum=sha256:0e9483900e92cd5de8fd48d16bf9200145a61f7fd5be542a5ac81d8a9516eb9c https://www.sqlite.org/2026/sqlite-autoconf-3530400.tar.gz /tmp/sqlite.tar.gz
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && mkdir /opt/sqlite \
 && tar --extract --file /tmp/sqlite.tar.gz --directory /tmp --strip-components 1 \
 && gcc -O2 -fPIC -shared -Wl,-soname,libsqlite3.so.0 -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_FTS5 \
    -DSQLITE_ENABLE_RTREE -o /opt/sqlite/libsqlite3.so.0 /tmp/sqlite3.c -lm
COPY requirements/run.txt /tmp/run.txt
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /tmp/run.txt

FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin easel \
 && install --directory --owner easel --group easel /app \
 && install --directory --mode 0700 --owner easel --group easel /data
ENV PATH=/opt/venv/bin:$PATH LD_LIBRARY_PATH=/opt/sqlite \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp/matplotlib DATA_DIR=/data
COPY --from=build /opt/sqlite /opt/sqlite
COPY --from=build /opt/venv /opt/venv
RUN python -c "import sqlite3; assert sqlite3.sqlite_version_info >= (3, 51, 3), sqlite3.sqlite_version"
WORKDIR /app
COPY storage storage
COPY cogs cogs
COPY bot bot
USER easel
VOLUME /data
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "bot", "health"]
ENTRYPOINT ["python", "-m", "bot"]
CMD ["run"]
