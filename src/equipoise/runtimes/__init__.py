"""Readers and runtimes of foreign files and services: ONNX, TFLite, TorchScript, pickles, HTTP."""
