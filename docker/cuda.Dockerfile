# edgeseg with TensorRT on an NVIDIA GPU, for CUDA 12 or 13. Never built: see docs/install.md.
#
#     docker build -f docker/cuda.Dockerfile -t edgeseg:cuda12 .
#     docker build -f docker/cuda.Dockerfile -t edgeseg:cuda13 --build-arg CUDA=13.0.1 .
#     docker run --rm --gpus all edgeseg:cuda12
ARG CUDA=12.9.1
FROM nvidia/cuda:${CUDA}-devel-ubuntu24.04 AS build
ARG CUDA

RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv python3-dev g++ \
    && rm -rf /var/lib/apt/lists/*

# pycuda is built from source; TensorRT's libraries come from NVIDIA's own index, which its package asks.
COPY . /src
RUN python3 -m venv /opt/edgeseg \
    && /opt/edgeseg/bin/python -m pip install --no-cache-dir '/src[serve]' \
        "cuda-bindings==${CUDA%%.*}.*" 'nvidia-ml-py>=12' 'pycuda>=2025.1' "tensorrt-cu${CUDA%%.*}>=10.12,<12"

FROM nvidia/cuda:${CUDA}-runtime-ubuntu24.04
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 libgl1 libglib2.0-0 libxcb1 libx11-6 libxext6 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/edgeseg /opt/edgeseg
RUN userdel --remove ubuntu && useradd --create-home --uid 1000 edgeseg && mkdir -p /data /home/edgeseg/.cache \
    && chown edgeseg /data /home/edgeseg/.cache
ENV PATH=/opt/edgeseg/bin:/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER edgeseg
WORKDIR /data
EXPOSE 8000
CMD ["seg-bench", "preflight"]
