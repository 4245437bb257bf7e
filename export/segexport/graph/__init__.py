"""A network as one ONNX graph under the contract."""
