"""Open connections that each send a part of a body and wait; print how the door answers, and stop.

python3 docker/check/slow_senders.py HOST PORT NUMBER
"""

import socket
import sys
import time
from collections import Counter

HEAD = b"POST /detect HTTP/1.1\r\nHost: door\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\n"
PATIENCE_SECONDS = 2.0
HOLD_SECONDS = 4.0  # for requests beside these senders


def main() -> None:
    """Print a line like `128 wait, 72 get 429`, then hold the connections for a while."""
    host, port, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    connections = [socket.create_connection((host, port)) for _ in range(number)]
    for connection in connections:
        connection.sendall(HEAD + b"part")
    time.sleep(PATIENCE_SECONDS)
    answers = Counter(answer(connection) for connection in connections)
    print(", ".join(f"{count} {text}" for text, count in sorted(answers.items(), reverse=True)), flush=True)
    time.sleep(HOLD_SECONDS)


def answer(connection: socket.socket) -> str:
    """What the other end has sent so far."""
    connection.setblocking(False)
    try:
        received = connection.recv(4096)
    except BlockingIOError:
        return "wait"
    except ConnectionError:
        return "are closed"
    return f"get {received.split()[1].decode()}" if received else "are closed"


if __name__ == "__main__":
    main()
