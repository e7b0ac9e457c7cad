# The page and the HTTP API on a CPU: no root, nothing written but in /tmp and /jobs, weights inside.
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/inpaint
ENV PATH=/opt/inpaint/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt ./
ARG PIP_EXTRA_INDEX_URL=""
RUN pip install -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY inpaint inpaint
COPY weights weights
RUN pip install --no-deps .
# Kernels of the patch search are compiled here, once. numba uses only folders that can be written to, so a start copies them.
# Not in /src, where its own copy would be imported, and kernels belong to the path that they were compiled from.
ENV NUMBA_CACHE_DIR=/opt/inpaint/numba
WORKDIR /
RUN python -c "from inpaint.web.networks import Networks; Networks({'dilated': None}, 'cpu').warm_up()"

FROM python:3.12-slim-bookworm
# Not pinned: Debian keeps one version of a package, so that a pinned one vanishes with the next repair.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /home/inpaint inpaint \
    && install -d -o inpaint -g inpaint /jobs
COPY --from=build /opt/inpaint /opt/inpaint
ENV PATH=/opt/inpaint/bin:$PATH NUMBA_CACHE_DIR=/tmp/numba PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    GRADIO_ANALYTICS_ENABLED=False GRADIO_TEMP_DIR=/tmp/gradio MPLCONFIGDIR=/tmp
USER 10001
WORKDIR /tmp
EXPOSE 7860
VOLUME ["/jobs"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --retries=5 CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/ready')"]
ENTRYPOINT ["sh", "-c", "cp -R /opt/inpaint/numba /tmp && exec python -m inpaint serve --host 0.0.0.0 --jobs /jobs \"$@\"", "serve"]
CMD ["--no-page"]
