"""Data: label spaces, the model spec, datasets, metrics, synthetic scenes."""

import os

# OpenCV reads it when it is loaded, after this. A PNG of a few kilobytes may say it has a thousand million pixels,
# OpenCV's own limit, and take 3 GB.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 26))
