# syntax=docker/dockerfile:1
#
# The image is large (several GB unpacked; it was never built where this was written): PyTorch's wheel for Linux
# on x86-64 brings the CUDA libraries along, and almost everything is theirs. The same image so runs with a GPU (`--gpus all`) and without one.
# Where size matters and no GPU is there, build with PyTorch's own index of CPU wheels, which are far smaller:
#     docker build --build-arg PIP_EXTRA_INDEX_URL=... .
FROM python:3.11-slim-bookworm AS build
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/tocsin
ENV PATH=/opt/tocsin/bin:$PATH
WORKDIR /build
# The dependencies first: they change seldom, and a change of ours should not fetch them again.
COPY pyproject.toml constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
        > requirements.txt \
    && pip install --requirement requirements.txt --constraint constraints.txt
COPY README.md LICENSE ./
COPY config/ config/
COPY kernels/ kernels/
COPY models/ models/
COPY explain/ explain/
COPY streams/ streams/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint constraints.txt . && python -m pip check

FROM python:3.11-slim-bookworm
ENV PATH=/opt/tocsin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    # Compiled kernels are kept where the user may write; the container's file system may be read-only.
    NUMBA_CACHE_DIR=/tmp/numba \
    TOCSIN_STATE__DIRECTORY=/var/lib/tocsin
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin tocsin \
    # A named volume takes over its owner from here.
    && install --directory --owner=tocsin --group=tocsin /var/lib/tocsin
COPY --from=build /opt/tocsin /opt/tocsin
COPY deploy/healthcheck.py /opt/healthcheck.py
USER 10001
WORKDIR /var/lib/tocsin
VOLUME /var/lib/tocsin
# `run` is well while it is a member of its consumer group, `monitor` while its page says so.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "/opt/healthcheck.py"]
ENTRYPOINT ["tocsin"]
CMD ["--help"]
