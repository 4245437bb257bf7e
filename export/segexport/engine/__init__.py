"""TensorRT engines: built, proved, described by a manifest."""
