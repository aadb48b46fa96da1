"""Why a picture has no detections."""


class DetectError(Exception):
    """The server refused a picture or failed on it, or its answer is not one of this server.

    `status` is the answer's, and 0 if none came; `title` and `detail` are the server's words. `request_id` is the
    answer's X-Request-Id, by which the server's log knows the request. After a status of 400 to 499, the picture, the
    key or a parameter has to change.
    """

    def __init__(self, detail: str, *, status: int = 0, title: str = "", request_id: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.title = title
        self.request_id = request_id

    def __str__(self) -> str:
        """The status with its title, the detail and the request's id, as far as they are known."""
        head = f"{self.status} {self.title}".rstrip() + ": " if self.status else ""
        tail = f" (request {self.request_id})" if self.request_id else ""
        return f"{head}{self.detail}{tail}"


class BusyError(DetectError):
    """The server has no room (503), or the client asks too often (429), and the time allows no further try."""


class DeadlineError(DetectError):
    """There was no answer within the timeout, or the server gave the request up at its deadline (504)."""


class UnreachableError(DetectError):
    """No connection to the server came about, or it broke, in all tries."""
