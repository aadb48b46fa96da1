"""mosec: an HTTP server in Rust, worker processes, dynamic batching.

Options: https://mosecorg.github.io/mosec/reference/interface.html
"""

import sys

from mosec import Server, Worker

from comparison.detector import MAX_BATCH, NUM_WORKERS, WINDOW_MS, Detector


class Detection(Worker):
    """One process with an engine."""

    resp_mime_type = "application/json"

    def __init__(self) -> None:
        super().__init__()
        self.detector = Detector()

    def deserialize(self, data: bytearray) -> bytes:
        return bytes(data)

    def forward(self, data: list[bytes] | bytes) -> list[bytes] | bytes:
        if isinstance(data, bytes):  # without batches
            return self.detector([data])[0]
        return self.detector(data)

    def serialize(self, data: bytes) -> bytes:
        return data


if __name__ == "__main__":
    sys.argv[1:] = ["--address", "127.0.0.1", "--port", sys.argv[1]]  # it reads its settings from the command line
    server = Server()
    server.append_worker(Detection, num=NUM_WORKERS, max_batch_size=MAX_BATCH, max_wait_time=WINDOW_MS)
    server.run()
