"""Limits on the bytes of a connection that are no body: the parser keeps them, and has no limit of its own."""

END = b"\r\n\r\n"  # of a head
MAX_HEAD_BYTES = 64 * 2**10
MIN_CHUNK_BYTES = 20  # on average, beyond MAX_HEAD_BYTES of framing: each chunk takes the event loop some microseconds
CHUNK_FRAMING_BYTES = 6  # two hexadecimal digits and two line ends


class SizeLimits:
    """Counts what arrives on one connection, piece by piece; the parser reads each piece between its begin and end."""

    def __init__(self) -> None:
        self._head_bytes = 0
        self._framing_bytes = 0.0
        self._has_begun = False  # a head, within the piece
        self._body_bytes = 0  # within the piece

    def begin_piece(self, data: bytes) -> None:
        """The parser will read `data`."""
        self._framing_bytes += len(data)
        self._has_begun, self._body_bytes = False, 0

    def begin_head(self) -> None:
        """The parser has seen the first byte of a request."""
        self._head_bytes = 0
        self._has_begun = True

    def begin_body(self) -> None:
        """The parser has seen the end of a head."""
        self._framing_bytes = 0.0

    def add_body(self, num_bytes: int) -> None:
        """The parser has seen a part of a body."""
        self._body_bytes += num_bytes
        framed_bytes = num_bytes * (1 + CHUNK_FRAMING_BYTES / MIN_CHUNK_BYTES)
        self._framing_bytes = max(0, self._framing_bytes - framed_bytes)

    def end_piece(self, data: bytes, *, is_in_head: bool, is_in_body: bool) -> str | None:
        """What is too large in the request that `data` ends with; None if nothing is."""
        if is_in_head:
            self._head_bytes += len(data)
            if self._has_begun:  # other requests may precede it
                self._head_bytes -= max(self._body_bytes, len(data) - len(data.rpartition(END)[2]))
            if self._head_bytes > MAX_HEAD_BYTES:
                return f"the first line and the headers have more than {MAX_HEAD_BYTES} bytes"
        if is_in_body and self._framing_bytes > MAX_HEAD_BYTES:
            return "the body has too much around its chunks"
        return None
