"""Multipart forms (RFC 7578): the files in the body of a request."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from service.api.problems import RequestError

MAX_OTHER_PARTS = 16  # fields, and the empty file inputs of a browser's form
MAX_HEAD_BYTES = 16 * 2**10  # of one part
MAX_HEADER = 2048  # characters of a header with parameters; the longest filename takes 765 if each byte is escaped
PARAMETER = re.compile(r""";\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)""")  # RFC 9110, section 5.6.6
FILE_TYPES = ("image/", "application/octet-stream")
EXTENDED_NAME = re.compile(r"""(utf-8|iso-8859-1)'[^']*'(.*)""", re.IGNORECASE)  # RFC 5987


@dataclass(frozen=True)
class Upload:
    """One image file as the client sent it; a raw body has no filename."""

    filename: str | None
    body: bytes


@dataclass(frozen=True)
class Part:
    """The headers of one part, with names in lower case, and where its content lies in the body."""

    headers: dict[bytes, str]
    start: int
    end: int


def files_of(body: bytes, content_type: str, max_files: int) -> list[Upload]:
    """The files of a form: its parts that have a filename or the type of a file. Raises RequestError 400.

    An input of a browser's form in which no file was chosen is left out: it has an empty filename and no bytes. A
    charset of the form is ignored: names are in UTF-8.
    """
    boundary = _parameters(content_type).get("boundary", "").encode("latin-1")
    if not 1 <= len(boundary) <= 256:
        raise _unreadable("its Content-Type has no boundary of 1 to 256 bytes")
    uploads: list[Upload] = []
    num_others = 0
    for part in _parts(body, b"--" + boundary):
        filename = _filename(part)
        is_file = filename is not None or part.headers.get(b"content-type", "").lower().startswith(FILE_TYPES)
        if is_file and (filename != "" or part.start < part.end):
            uploads.append(Upload(filename, body[part.start : part.end]))
        else:
            num_others += 1
        if len(uploads) > max_files or num_others > MAX_OTHER_PARTS:
            raise RequestError(400, f"the form has more than {max_files} files or {MAX_OTHER_PARTS} other parts")
    if not uploads:
        raise RequestError(
            400, "the multipart body holds no file; send one or more, e.g. curl -F image=@photo.jpg URL/detect"
        )
    return uploads


def _parts(body: bytes, delimiter: bytes) -> Iterator[Part]:
    """The parts between the lines that begin with `delimiter`; text before the first and after the last is ignored."""
    at = 0 if body.startswith(delimiter) else body.find(b"\r\n" + delimiter) + 2
    if at == 1:  # there is none
        raise _unreadable("it has no line with the boundary of its Content-Type")
    delimiter = b"\r\n" + delimiter
    at += len(delimiter) - 2
    while not body.startswith(b"--", at):
        line_end = body.find(b"\r\n", at, at + MAX_HEAD_BYTES)
        if line_end < 0 or body[at:line_end].strip(b" \t"):
            raise _unreadable("a line with its boundary has other characters behind it")
        head_end = body.find(b"\r\n\r\n", line_end, line_end + MAX_HEAD_BYTES)
        if head_end < 0:
            raise _unreadable("it ends inside the headers of a part, or they are too long")
        start = head_end + 4
        end = body.find(delimiter, head_end + 2)  # the line break may belong to both
        if end < 0:
            raise RequestError(400, "the multipart body ends inside a file")
        lines = (line.partition(b":") for line in body[line_end:head_end].split(b"\r\n"))
        yield Part({name.strip().lower(): value.strip().decode("latin-1") for name, _, value in lines}, start, end)
        at = end + len(delimiter)


def _filename(part: Part) -> str | None:
    parameters = _parameters(part.headers.get(b"content-disposition", ""))
    extended = EXTENDED_NAME.fullmatch(parameters.get("filename*", ""))
    if extended is not None:
        return unquote_to_bytes(extended[2]).decode(extended[1], errors="replace")
    name = parameters.get("filename")
    if name is None:
        return None
    if name[1:3] == ":\\" or name.startswith("\\\\"):  # Internet Explorer sends the whole path
        name = name.rpartition("\\")[2]
    try:
        return name.encode("latin-1").decode()
    except UnicodeDecodeError:
        return name


def _parameters(header: str) -> dict[str, str]:
    """The parameters of a header, such as `form-data; name="a"`, with names in lower case; raises RequestError 400."""
    if len(header) > MAX_HEADER:
        raise _unreadable(f"a header has more than {MAX_HEADER} characters")
    parameters = {}
    for name, value in PARAMETER.findall(header):
        is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
        text = value[1:-1].replace("\\\\", "\\").replace('\\"', '"') if is_quoted else value.strip()
        parameters[name.lower()] = text
    return parameters


def _unreadable(reason: str) -> RequestError:
    return RequestError(400, f"the multipart body cannot be read: {reason}")
