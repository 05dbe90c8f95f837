# syntax=docker/dockerfile:1
# socorpus and all its extras, for NVIDIA's GPUs too:  docker build -t socorpus .
# For processors alone, gigabytes smaller: --build-arg TORCH_INDEX=URL, of PyTorch's own index of such builds.
#
#   docker run --rm -v "$PWD:/data" -u "$(id -u):$(id -g)" socorpus build dumps -o corpus

FROM python:3.11-slim AS build
ARG TORCH_INDEX=
RUN python -m venv /opt/socorpus
ENV PATH=/opt/socorpus/bin:$PATH
WORKDIR /src
# What seldom changes comes first: packages are installed again only when the pins change.
COPY constraints.txt pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir -c constraints.txt ${TORCH_INDEX:+--index-url $TORCH_INDEX} torch
COPY corpus corpus
COPY labeling labeling
COPY training training
COPY cli cli
RUN pip install --no-cache-dir -c constraints.txt '.[all]' && pip check
# The machine code of the kernels, so that no container compiles it on a processor such as this one; whoever runs it may write there.
ENV NUMBA_CACHE_DIR=/opt/socorpus/numba
RUN socorpus doctor --compile && chmod -R a+rwX /opt/socorpus/numba

FROM python:3.11-slim
RUN useradd --create-home --uid 1000 socorpus && mkdir /data && chown socorpus /data
COPY --from=build /opt/socorpus /opt/socorpus
ENV PATH=/opt/socorpus/bin:$PATH \
    NUMBA_CACHE_DIR=/opt/socorpus/numba \
    PYTHONUNBUFFERED=1
USER socorpus
WORKDIR /data
ENTRYPOINT ["socorpus"]
CMD ["--help"]
