"""The Open Inference Protocol v2 over gRPC, as Triton's clients speak it. Only this package imports grpc."""

import os

# before grpc is imported, also by another package
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # a process that builds an engine starts another program
os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its log has another form, and lines for what clients do wrong
