FROM python:3.13.5-slim-bookworm AS build
COPY requirements/run.txt /tmp/run.txt
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /tmp/run.txt

FROM python:3.13.5-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin easel \
 && install --directory --owner easel --group easel /app \
 && install --directory --mode 0700 --owner easel --group easel /data
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp/matplotlib DATA_DIR=/data
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY storage storage
COPY cogs cogs
COPY bot bot
USER easel
VOLUME /data
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "bot", "health"]
ENTRYPOINT ["python", "-m", "bot"]
CMD ["run"]
