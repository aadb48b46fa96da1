"""Images in JSON: `{"image": "<base64>"}`, for clients that send nothing else."""

import re
from binascii import a2b_base64

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from service.api.problems import RequestError
from service.errors import validation_problems

OVERHEAD_BYTES = 2**16  # of a body beside its base64: keys, white space, data URLs
MAX_OTHER_VALUES = 100  # beside the images; a body with any is refused, but with a better sentence
MAX_ESCAPES = 2**20  # the encoders that escape the slashes of base64 make half as many in 32 MiB
PIECE = 2**18  # characters that are decoded at once, since decoding keeps Python's interpreter lock; a multiple of 4
MEMORY_FACTOR = 2.5  # bytes that decoding takes beside each byte of the body
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which a parser may ignore (RFC 8259, section 8.1)
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://")
DATA_URL = re.compile(r"data:([^,]{0,200}),", re.IGNORECASE)  # RFC 2397
FORM = 'send {"image": "<base64>"} or {"images": ["<base64>", …]}, and the parameters in the query'
STANDARD = "base64 in the alphabet with + and /, with padding, without line breaks"


class JsonImages(BaseModel):
    """The images of a request in JSON: `image` or `images`, each an image file in base64 or as a data URL."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"oneOf": [{"required": ["image"]}, {"required": ["images"]}]}
    )

    image: str = Field(
        default_factory=str, description="one image file", json_schema_extra={"contentEncoding": "base64"}
    )
    images: list[str] = Field(default_factory=list, description="several image files", min_length=1)


def max_json_bytes(max_body_bytes: int) -> int:
    """The size of a body in JSON at most, for images that have at most `max_body_bytes` together."""
    return 4 * -(-max_body_bytes // 3) + OVERHEAD_BYTES


def read_json_images(body: bytes, max_files: int, max_bytes: int) -> list[bytes]:
    """The files in a body; they have at most `max_bytes` together. Raises RequestError 413 and 422."""
    if body.count(b",") > 2 * max_files + MAX_OTHER_VALUES:  # each value takes fifty times its bytes
        raise RequestError(413, f"the JSON has too many values; it takes at most {max_files} images")
    if body.count(b"\\") > MAX_ESCAPES:
        raise RequestError(413, f"the JSON has more than {MAX_ESCAPES} escaped characters; send the files themselves")
    try:
        document = from_json(body.removeprefix(BYTE_ORDER_MARK), allow_inf_nan=False)
        if not isinstance(document, dict):
            raise RequestError(422, f"the body is JSON, but no object; {FORM}")
        wanted = JsonImages.model_validate(document)
    except ValidationError as error:
        raise RequestError(422, f"{validation_problems(error.errors(), empty_location='the body')}; {FORM}") from error
    except ValueError as error:
        raise RequestError(422, f"the body is not valid JSON in UTF-8: {error}; {FORM}") from error
    if len(wanted.model_fields_set) != 1:
        raise RequestError(422, f"the body has both image and images, or neither; {FORM}")
    texts = named(wanted.images) if "images" in wanted.model_fields_set else [("image", wanted.image)]
    if len(texts) > max_files:
        raise RequestError(413, f"the body has {len(texts)} images, the most is {max_files}")
    files = [decode(name, text) for name, text in texts]
    if sum(map(len, files)) > max_bytes:
        raise RequestError(413, f"the images have more than {max_bytes} bytes")
    return files


def named(images: list[str]) -> list[tuple[str, str]]:
    """Each image with its name in messages."""
    return [(f"images[{index}]", text) for index, text in enumerate(images)]


def decode(name: str, text: str) -> bytes:
    """The file in base64, or in a data URL; raises RequestError 422."""
    if URL.match(text):
        raise RequestError(422, f"{name}: URLs are not fetched; send the bytes of the file as base64")
    if found := DATA_URL.match(text):
        if not found[1].lower().endswith(";base64"):
            raise RequestError(422, f"{name}: the data URL has no ;base64 before its comma")
        text = text[found.end() :]
    if not text:
        raise RequestError(422, f"{name}: it is empty; send the bytes of an image file as base64")
    pieces = []
    try:
        if len(text) % 4:
            raise ValueError(f"it has {len(text)} characters, no multiple of 4")
        for at in range(0, len(text), PIECE):
            piece = text[at : at + PIECE]
            pieces.append(a2b_base64(piece, strict_mode=True))
            if at + PIECE < len(text) and piece.endswith("="):
                raise ValueError("Excess data after padding")
    except ValueError as error:
        raise RequestError(422, f"{name}: no valid base64: {error}; send {STANDARD}") from error
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
