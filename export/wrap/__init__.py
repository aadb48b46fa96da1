"""`python -m export wrap`: makes a bundle of another project's ONNX detector."""
