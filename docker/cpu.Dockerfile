# edgeseg on a CPU: seg-data, seg-run with --serve, seg-bench; no PyTorch.
#
#     docker build -f docker/cpu.Dockerfile -t edgeseg .
#     docker run --rm -v "$PWD:/data" edgeseg seg-run drive.mp4
FROM debian:bookworm-slim

# Python, and the libraries that opencv-python links against.
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        python3 python3-venv libgl1 libglib2.0-0 libxcb1 libx11-6 libxext6 \
    && rm -rf /var/lib/apt/lists/*

COPY . /src
RUN python3 -m venv /opt/edgeseg \
    && /opt/edgeseg/bin/python -m pip install --no-cache-dir --constraint /src/constraints.txt '/src[serve]' \
    && rm -rf /src

RUN useradd --create-home --uid 1000 edgeseg && mkdir -p /data /home/edgeseg/.cache \
    && chown edgeseg /data /home/edgeseg/.cache
ENV PATH=/opt/edgeseg/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER edgeseg
WORKDIR /data
EXPOSE 8000
CMD ["seg-bench", "preflight"]
