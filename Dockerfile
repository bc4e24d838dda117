# syntax=docker/dockerfile:1
#
# The image holds what the service needs on a CPU. With a GPU, or for `router.kind: multi-hot`, build with
#     docker build --build-arg EXTRAS=gpu .
# which adds PyTorch with the CUDA libraries, several GB, and run with `--gpus all`. Numba fuses there, too: only a config
# with `kernels.backend: triton` uses Triton, for which that image has a C compiler. No image was ever built where this was
# written.
FROM python:3.11-slim-bookworm AS build
ARG EXTRAS=""
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/tocsin
ENV PATH=/opt/tocsin/bin:$PATH
WORKDIR /build
# The dependencies come first, in a layer of their own, so that a change of Tocsin's files does not fetch them again.
COPY pyproject.toml constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -c "import sys, tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
extras = [need for extra in sys.argv[1].split(',') if extra for need in project['optional-dependencies'][extra]]; \
print(*project['dependencies'], *extras, sep='\n')" "$EXTRAS" > requirements.txt \
    && pip install --requirement requirements.txt --constraint constraints.txt
COPY README.md LICENSE ./
COPY config/ config/
COPY kernels/ kernels/
COPY models/ models/
COPY explain/ explain/
COPY streams/ streams/
COPY tocsin/ tocsin/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint constraints.txt ".${EXTRAS:+[$EXTRAS]}" && python -m pip check

FROM python:3.11-slim-bookworm
ARG EXTRAS=""
# Triton compiles its launchers with a C compiler when it first runs.
RUN case ",$EXTRAS," in *,gpu,*) apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* ;; esac
ENV PATH=/opt/tocsin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    # Compiled kernels are kept in a volume, so that a new container need not compile them again for minutes: in a folder
    # named after their sources, so that a new release does not use old ones. The rest of the container's file system,
    # the home folder among it, may be read-only.
    TOCSIN_CACHE_DIR=/var/cache/tocsin \
    TRITON_CACHE_DIR=/var/cache/tocsin/triton \
    TOCSIN_STATE__DIRECTORY=/var/lib/tocsin
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tocsin \
    # A named volume takes its owner from here.
    && install --directory --owner=tocsin --group=tocsin /var/lib/tocsin /var/cache/tocsin
COPY --from=build /opt/tocsin /opt/tocsin
COPY deploy/healthcheck.py /opt/healthcheck.py
USER 10001
WORKDIR /var/lib/tocsin
VOLUME /var/lib/tocsin /var/cache/tocsin
# `run` is healthy while it is a member of its consumer group, `monitor` while its page says that it is. The first start of
# a worker compiles the kernels, for two minutes on two free cores; it is healthy as soon as a check succeeds.
HEALTHCHECK --interval=15s --timeout=10s --start-period=600s --retries=3 \
    CMD ["python", "/opt/healthcheck.py"]
ENTRYPOINT ["tocsin"]
CMD ["--help"]
