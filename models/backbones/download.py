"""Downloads files of weights into torch's cache."""

import socket
from pathlib import Path

import torch

TIMEOUT_SECONDS = 30.0  # without any data received


class PretrainedError(Exception):
    """Weights that are not available or do not fit the network; the message names the file and the remedy."""


class DownloadError(PretrainedError):
    """A file that cannot be downloaded; the message says where to put it."""


def torch_cache() -> Path:
    """The folder of torch's downloaded weights, $TORCH_HOME/hub/checkpoints, which torchvision uses too."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def download(url: str, path: Path, hash_prefix: str | None = None) -> None:
    """Download a file with a progress bar; if that fails, `path` does not exist.

    `hash_prefix`: the first digits of the file's SHA-256, or None if the content is checked in another way.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix)
    except (OSError, RuntimeError) as error:  # RuntimeError: the hash differs
        raise DownloadError(f"cannot download {url} ({error}); put that file at {path}") from error
    finally:
        socket.setdefaulttimeout(previous)
