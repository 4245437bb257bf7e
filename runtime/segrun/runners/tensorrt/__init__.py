"""TensorRT and TensorRT-RTX engines, through CUDA."""
