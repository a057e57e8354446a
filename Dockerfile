# syntax=docker/dockerfile:1
# Images of the workers and of the notebook. Targets:
#   docker build --target cpu -t element-facerhythm:cpu .            what `docker build .` makes as well
#   docker build --target cuda -t element-facerhythm:cuda .          torch on CUDA, decoding on the GPU
#   docker build --target notebook -t element-facerhythm:notebook .
# torch's ordinary wheel brings CUDA's libraries. With an index of CPU builds of torch in PIP_EXTRA_INDEX_URL the
# targets cpu and notebook are some gigabytes smaller.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/cache/facerhythm \
    MPLCONFIGDIR=/var/cache/facerhythm/matplotlib \
    XDG_CACHE_HOME=/var/cache/facerhythm \
    FACERHYTHM_ROOT_DATA_DIR=/data/raw \
    FACERHYTHM_PROCESSED_DATA_DIR=/data/results \
    FACERHYTHM_HEALTH_FILE=/tmp/facerhythm-health.json
# the caches (compiled kernels among them) serve whichever user id the container is given
RUN useradd --create-home --uid 1000 facerhythm \
    && mkdir -p /data/raw /data/results \
    && chown facerhythm:facerhythm /data/results \
    && install --directory --mode=1777 /var/cache/facerhythm
WORKDIR /home/facerhythm

# what is installed is built here and copied: neither pip's cache nor the sources are in an image
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY element_facerhythm ./element_facerhythm

FROM build AS build-cpu
ARG PIP_EXTRA_INDEX_URL=""
RUN pip --python /opt/venv/bin/python install --constraint constraints.txt ".[formats,s3]"

FROM build AS build-cuda
RUN pip --python /opt/venv/bin/python install --constraint constraints.txt ".[formats,s3,cuda]"

FROM build-cpu AS build-notebook
ARG PIP_EXTRA_INDEX_URL=""
RUN pip --python /opt/venv/bin/python install --constraint constraints.txt ".[formats,s3,notebook]"

FROM base AS notebook
COPY --from=build-notebook /opt/venv /opt/venv
COPY --chown=facerhythm:facerhythm notebooks /home/facerhythm/notebooks
WORKDIR /home/facerhythm/notebooks
USER 1000
HEALTHCHECK NONE
ENTRYPOINT ["jupyter", "notebook", "--ip=0.0.0.0", "--port=8888", "--no-browser"]

# torch.compile's kernels are made on the machine they run on, with its C compiler, so this target keeps one; FFmpeg's
# libraries are torchcodec's. The driver comes from the host; `video` lets containers decode on the GPU.
FROM base AS cuda
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ffmpeg gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video \
    TRITON_CACHE_DIR=/var/cache/facerhythm/triton \
    TORCHINDUCTOR_CACHE_DIR=/var/cache/facerhythm/inductor \
    FACERHYTHM_DEVICE=cuda
COPY --from=build-cuda /opt/venv /opt/venv
USER 1000
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["facerhythm", "health"]
ENTRYPOINT ["facerhythm"]
CMD ["worker"]

FROM base AS cpu
ENV FACERHYTHM_DEVICE=cpu
COPY --from=build-cpu /opt/venv /opt/venv
USER 1000
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["facerhythm", "health"]
# the worker itself is process 1 and gets SIGTERM: it gives its job back and stops
ENTRYPOINT ["facerhythm"]
CMD ["worker"]
