# The image of every Ray container of docker-compose.yml. It needs no BuildKit.
#
# A base without a registry is any image with Python 3.11 or newer and its venv module:
#   docker build --build-arg BASE_IMAGE=my-python .
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

# What is installed changes seldom and takes minutes: it depends on this one file alone.
FROM ${BASE_IMAGE} AS dependencies
# pip reads its own names from the environment; what is not given is not set.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
ARG PIP_CERT
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements.lock ./
RUN python3 -m venv /opt/packsweep \
    && /opt/packsweep/bin/pip install --require-hashes --requirement requirements.lock

FROM dependencies AS wheel
COPY . .
RUN /opt/packsweep/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist .

FROM ${BASE_IMAGE}
RUN groupadd --gid 10001 packsweep \
    && useradd --uid 10001 --gid packsweep --create-home packsweep \
    # A new volume takes the owner of the folder that it is mounted on.
    && install -d -o packsweep -g packsweep /runs /cache /dashboards /token /prometheus
COPY --from=dependencies /opt/packsweep /opt/packsweep
ENV PATH=/opt/packsweep/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RAY_USAGE_STATS_ENABLED=0 \
    NUMBA_CACHE_DIR=/home/packsweep/.cache/numba \
    XDG_CACHE_HOME=/cache
COPY --from=wheel /build/dist /tmp/dist
RUN pip install --no-cache-dir --no-deps --no-index /tmp/dist/*.whl
USER packsweep
WORKDIR /home/packsweep
# Used where the processor is that of the build; another one compiles its own beside them.
RUN python -c "from model.scoring import compile_kernels; compile_kernels()"
