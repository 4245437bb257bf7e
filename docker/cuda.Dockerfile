# edgeseg with an NVIDIA GPU: CUDA 12 or 13, TensorRT or TensorRT-RTX. docs/install.md says what was tried.
#
#     docker build -f docker/cuda.Dockerfile -t edgeseg:cuda12 .
#     docker build -f docker/cuda.Dockerfile -t edgeseg:rtx13 --build-arg CUDA=13 --build-arg TENSORRT=tensorrt-rtx .
#     docker run --rm --gpus all edgeseg:cuda12
FROM debian:bookworm-slim
ARG CUDA=12
ARG TENSORRT=tensorrt

# Python, and the libraries that opencv-python links against.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        python3 python3-venv libgl1 libglib2.0-0 libxcb1 libx11-6 libxext6 \
    && rm -rf /var/lib/apt/lists/*

COPY . /src
RUN python3 -m venv /opt/edgeseg \
    && /opt/edgeseg/bin/python -m pip install --no-cache-dir --constraint /src/constraints.txt '/src[serve]' \
    && rm -rf /src

# pycuda is built from source, with CUDA's headers from PyPI. It is linked to an empty libcuda, since the driver's own
# comes from the host. The linker drops an empty library by default; ldd checks that it did not.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ python3-dev \
    && python3 -m venv /tmp/cuda \
    && /tmp/cuda/bin/python -m pip install --no-cache-dir "cuda-toolkit[cudart,profiler]==${CUDA}.*" \
    && g++ -shared -x c++ /dev/null -o /tmp/cuda/libcuda.so -Wl,-soname,libcuda.so.1 \
    && echo 'CUDA_ENABLE_CURAND = False' > /etc/aksetup-defaults.py \
    && CPATH="$(find /tmp/cuda/lib -type d -path '*/nvidia/*/include' -printf '%p:')" \
        CUDA_ROOT=/tmp/cuda LIBRARY_PATH=/tmp/cuda LDFLAGS=-Wl,--no-as-needed \
        /opt/edgeseg/bin/python -m pip install --no-cache-dir \
        "cuda-bindings==${CUDA}.*" 'nvidia-ml-py>=12' 'pycuda>=2025.1' \
    && ldd /opt/edgeseg/lib/python3*/site-packages/pycuda/_driver.*.so | grep libcuda.so.1 \
    && apt-get purge -y --auto-remove g++ python3-dev \
    && rm -rf /tmp/cuda /etc/aksetup-defaults.py /var/lib/apt/lists/*

# TensorRT's package downloads its libraries from NVIDIA's own index; those of TensorRT-RTX are on PyPI.
RUN case "$TENSORRT" in \
        tensorrt) releases='>=10.12,<12' ;; \
        tensorrt-rtx) releases='>=1.1,<2' ;; \
        *) echo "got TENSORRT=$TENSORRT, need tensorrt or tensorrt-rtx" >&2; exit 2 ;; \
    esac \
    && /opt/edgeseg/bin/python -m pip install --no-cache-dir "$TENSORRT-cu$CUDA$releases"

RUN useradd --create-home --uid 1000 edgeseg && mkdir -p /data /home/edgeseg/.cache \
    && chown edgeseg /data /home/edgeseg/.cache
ENV PATH=/opt/edgeseg/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# compute and utility for CUDA and NVML, video for NVENC (--encoder).
ENV NVIDIA_VISIBLE_DEVICES=all
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
USER edgeseg
WORKDIR /data
EXPOSE 8000
CMD ["seg-bench", "preflight"]
