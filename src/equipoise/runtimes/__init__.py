"""What reads and runs foreign files and services: ONNX, TFLite, TorchScript, pickles, HTTP."""
