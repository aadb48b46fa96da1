"""`python stand_in_server.py PORT`: answers each request with an empty 200.

It waits for STAND_IN_SECONDS before each answer, by default for 20 ms. After a POST to /busy it answers with 503. A
POST to /end ends it.
"""

import asyncio
import os
import sys

is_busy = False


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection."""
    global is_busy
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            if head.startswith(b"POST /end"):
                print("asked to end", flush=True)
                os._exit(1)
            is_busy = is_busy or head.startswith(b"POST /busy")
            await asyncio.sleep(float(os.environ.get("STAND_IN_SECONDS", "0.02")))
            status = b"503 Busy" if is_busy else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve until a signal ends the process."""
    async with await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()


asyncio.run(main())
