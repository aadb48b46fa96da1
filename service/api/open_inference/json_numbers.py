"""Arrays of small integers in JSON, parsed by NumPy: Python's lists take fifty times the memory, and longer."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.api.problems import RequestError

MAX_NUMBERS = 4 * 2**20  # in all arrays of a request, a 1182×1182 image; larger ones should be sent as bytes
MAX_OTHER_VALUES = 2000  # that Python parses, about; a request without arrays has some dozens
MAX_ESCAPES = 2**20  # the encoders that escape the slashes of base64 make half as many in 32 MiB
MAX_ARRAYS = 1000  # a request has one input
BLOCK_BYTES = 2**18  # so much text is parsed at once, so that the intermediate arrays are small
MAX_DEPTH = 8  # of nested arrays, as many as the axes of a tensor
DATA = re.compile(rb'"data"\s{0,99}:\s{0,99}(?=\[)')
DIGITS = b"0123456789"
PUNCTUATION = b",[] \t\r\n"


class NumbersError(ValueError):
    """The text is not an array of integers from 0 to 255, or its rows differ in length."""


@dataclass(frozen=True)
class Extracted:
    """JSON without its arrays of integers. In the text, `["TOKEN", n]` stands for `numbers[n]`, uint8 (N,)."""

    text: bytes
    token: str
    numbers: list[NDArray[np.uint8]]


def extract_numbers(text: bytes, token: str) -> Extracted:
    """Take each value of a key `data` that is an array of integers out of the text of a JSON document.

    `token` is a word that the client cannot know. What is no array of integers stays in the text. Raises RequestError:
    413 if there are too many integers, 400 if an array is invalid.
    """
    if text.count(b'"data"') > MAX_ARRAYS:
        raise _too_many(MAX_ARRAYS)
    kept: list[bytes] = []
    numbers: list[NDArray[np.uint8]] = []
    at = num_values = 0
    for match in DATA.finditer(text):
        start = match.end()
        stop = text.find(b'"', start)
        stop = len(text) if stop < 0 else stop
        brace = text.find(b"}", start, stop)
        end = text.rfind(b"]", start, stop if brace < 0 else brace) + 1
        array = text[start:end]
        digits = array.translate(None, PUNCTUATION)
        if not digits or digits.translate(None, DIGITS):
            continue
        num_values += array.count(b",") + 1
        if num_values > MAX_NUMBERS:
            raise _too_many(MAX_NUMBERS)
        kept += [text[at:start], b'["%s",%d]' % (token.encode(), len(numbers))]
        at = end
        try:
            numbers.append(parse_numbers(array))
        except NumbersError as error:
            raise RequestError(400, f"data is not a regular array: {error}") from error
    return Extracted(b"".join([*kept, text[at:]]), token, numbers)


def check_num_values(text: bytes) -> None:
    """Raise RequestError 413 if the document would take long to parse: it has too many values or escapes."""
    if text.count(b",") > MAX_OTHER_VALUES:
        raise _too_many(MAX_OTHER_VALUES)
    if text.count(b"\\") > MAX_ESCAPES:
        raise RequestError(413, f"the JSON has more than {MAX_ESCAPES} escaped characters; send files as bytes")


def parse_numbers(array: bytes) -> NDArray[np.uint8]:
    """JSON's text of an array, nested or not, of at least one integer from 0 to 255 -> its numbers (N,) in their order.

    The text holds only DIGITS and PUNCTUATION. Raises NumbersError.
    """
    blocks = []
    at = 0
    while at < len(array):
        end = len(array) if at + BLOCK_BYTES >= len(array) else array.rfind(b",", at, at + BLOCK_BYTES)
        if end < 0:
            raise NumbersError(f"an element has more than {BLOCK_BYTES} bytes")
        blocks.append(_items(array[at:end]))
        at = end + 1
    if array.rstrip().endswith(b","):
        raise NumbersError("it ends with a comma")
    opens, values, closes = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    _check_nesting(opens, closes)
    return values


def _items(block: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Items between commas, such as `[[12` and `7]` -> for each the opening brackets, the value, the closing ones."""
    text = np.frombuffer(block + b",", np.uint8)
    places = np.flatnonzero(text > ord(" "))
    packed = text[places]
    is_digit = (packed >= ord("0")) & (packed <= ord("9"))
    if (is_digit[:-1] & is_digit[1:] & (np.diff(places) > 1)).any():
        raise NumbersError("two numbers have no comma between them")
    is_comma, is_open, is_close = packed == ord(","), packed == ord("["), packed == ord("]")
    order = is_digit + 2 * is_close.astype(np.uint8) + 3 * is_comma.astype(np.uint8)  # it rises within an item
    if ((order[:-1] > order[1:]) & ~is_comma[:-1]).any():
        raise NumbersError("its brackets or commas are misplaced")
    ends = np.flatnonzero(is_comma)
    starts = np.concatenate([[0], ends[:-1] + 1])
    num_open, num_digits, num_close = (
        np.add.reduceat(marks, starts, dtype=np.intp) for marks in (is_open, is_digit, is_close)
    )
    if num_digits.min() < 1 or max(num_open.max(), num_close.max()) > MAX_DEPTH:
        raise NumbersError("an element is missing or nested too deep")
    last = ends - num_close - 1
    if ((num_digits > 1) & (packed[last - num_digits + 1] == ord("0"))).any():
        raise NumbersError("a number begins with 0")
    digits = packed.astype(np.int16) - ord("0")
    values = digits[last]
    for place in (1, 2):
        values += np.where(num_digits > place, 10**place * digits[last - place], 0).astype(np.int16)
    if num_digits.max() > 3 or values.max() > 255:
        raise NumbersError("data should be integers from 0 to 255")
    return num_open.astype(np.uint8), values.astype(np.uint8), num_close.astype(np.uint8)


def _check_nesting(opens: NDArray[np.uint8], closes: NDArray[np.uint8]) -> None:
    """Raise NumbersError unless all arrays of a level have the same length."""
    depth, between = int(opens[0]), opens[1:]
    if depth < 1 or closes[-1] != depth or (between != closes[:-1]).any() or (between >= depth).any():
        raise NumbersError("its brackets do not match")
    for level in range(1, depth):
        ends = np.flatnonzero(between >= level) + 1  # numbers before each end of an array of this level, but the last
        length, rest = divmod(len(opens), len(ends) + 1)
        if rest or (ends != length * np.arange(1, len(ends) + 1)).any():
            raise NumbersError("its rows differ in length")


def _too_many(limit: int) -> RequestError:
    remedy = "send large tensors as bytes, with the binary tensor extension (binary_data_size)"
    return RequestError(413, f"the JSON has more than {limit} values; {remedy}")
