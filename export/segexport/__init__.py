"""Export: ONNX under the graph contract, INT8 calibration, proof, TensorRT engines."""
