"""`python -m service.fetch URL --out DIR`: copy a remote bundle to a directory."""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from service.bundle import BundleError
from service.command_names import named
from service.fetch.remote_bundle import fetch_bundle, name_of
from service.remote import is_remote
from service.telemetry.logs import write_logs
from service.telemetry.standard_streams import open_missing_streams
from service.version import add_version

EXAMPLE = """\
DIR is the bundle's directory; for several URLs, it holds a directory for each, which has the last name of the URL. Each
file is checked against the manifest, and DIR is replaced as a whole or not at all. A bundle that is there already is
not copied again. If the URL cannot be reached, the bundle that is there stays, and the status is 0.

Each scheme takes its credentials from its usual variables, e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3://,
AWS_ENDPOINT_URL for another service than Amazon's, and HF_TOKEN for hf://.

example:
  python -m service.fetch s3://models/cards --out bundles/cards
  python -m service.fetch https://example.org/cards https://example.org/dice --out bundles
"""

logger = logging.getLogger("singleshot")


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy the bundles -> exit status: 1 if one of them cannot be copied."""
    open_missing_streams()
    write_logs("info")
    command_line = parser()
    options = command_line.parse_args(arguments)
    if local := [url for url in options.urls if not is_remote(url)]:
        command_line.error(f"{local[0]!r} is no URL; write one such as s3://bucket/{Path(local[0]).name}")
    targets = {options.out / name_of(url): url for url in options.urls}
    if len(targets) < len(options.urls):
        command_line.error("two of the URLs end with the same name; copy them one by one")
    if len(targets) == 1:
        targets = {options.out: options.urls[0]}
    try:
        for path, url in targets.items():
            fetch_bundle(url, path)
    except BundleError as error:
        logger.error("%s", error, extra={"event": "fetch_failed"})
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog=named("python -m service.fetch"),
        description="Copy a remote bundle to a directory of this machine.",
        epilog=named(EXAMPLE),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("urls", nargs="+", metavar="URL", help="a bundle at s3://, gs://, hf:// or https://")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the bundle should be")
    add_version(parser)
    return parser


def end(number: int, _: FrameType | None) -> None:
    """End the process, which first removes the part of a bundle that it has copied."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # it would log that fsspec's task is not done
    sys.exit(128 + number)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    sys.exit(main())
