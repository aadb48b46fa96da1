"""EXIF data, of which only the orientation matters."""

import struct

ORIENTATION_TAG = 0x0112  # EXIF 2.32, table 4
MAX_ENTRIES = 1000  # of a directory; cameras write about twenty


def orientation_of(tiff: bytes) -> int:
    """The orientation 1…8 in EXIF data; 1 if it is missing or damaged, as in image viewers."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(min(count, MAX_ENTRIES)):
            tag, field_type, _, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * entry)
            if tag == ORIENTATION_TAG:
                return value if field_type == 3 and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
