"""A progress bar at a terminal."""

import shutil
from typing import Any

from tqdm import tqdm


def progress_bar(**options: Any) -> tqdm:
    """A bar of tqdm with these options on stderr; it shows nothing if that is no terminal."""
    columns, lines = shutil.get_terminal_size()  # never 0, with which tqdm shows nothing
    return tqdm(disable=None, ncols=columns, nrows=lines, **options)
