# The image of the workers and of the notebook, for CPU and GPU: torch's ordinary wheel has both. With
# an index of CPU builds of torch in PIP_EXTRA_INDEX_URL the image is smaller, and for CPU alone.
FROM python:3.11-slim-bookworm

ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 \
    FACERHYTHM_ROOT_DATA_DIR=/data/raw \
    FACERHYTHM_PROCESSED_DATA_DIR=/data/results

WORKDIR /opt/element-facerhythm
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY element_facerhythm ./element_facerhythm
COPY notebooks ./notebooks
RUN pip install --no-cache-dir --constraint constraints.txt ".[formats,notebook]" \
    && useradd --create-home --uid 1000 facerhythm \
    && mkdir -p /data/raw /data/results \
    && chown -R facerhythm:facerhythm /data /opt/element-facerhythm/notebooks

USER 1000
# the process itself gets SIGTERM: a worker then gives its job back and stops
ENTRYPOINT ["facerhythm"]
CMD ["worker"]
