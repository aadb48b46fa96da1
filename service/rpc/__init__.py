"""The Open Inference Protocol v2 over gRPC, as Triton's clients speak it. Only this package imports grpc."""
