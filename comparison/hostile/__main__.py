"""`python -m comparison.hostile stall` and `soak`: this server under hostile requests beside ordinary ones."""

import argparse
import json
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from comparison.hostile.pictures import photograph
from comparison.hostile.requests import hostile_requests
from comparison.hostile.soak import soak
from comparison.hostile.stall import stalls
from comparison.peers import PEERS, PeerError
from comparison.running import running
from service.benchmark.__main__ import fetch_metrics

NUM_PHOTOGRAPHS = 16
# a connection each: a kept one may be closed as idle while the next request is on its way, which then counts as lost
ORDINARY = {"Content-Type": "image/jpeg", "Connection": "close"}
EXAMPLE = """\
The tool starts the server itself and makes all requests by code. The exit status is 1 if a bound is broken.
stall: beside each hostile request, ordinary requests have at most twice their usual p99.
soak: every answer is 2xx, 4xx, 503 or 504, no request is lost, and the memory grows by at most 5 % over the last two
thirds.

example:
  python -m comparison.hostile stall
  python -m comparison.hostile stall --only PNG
  python -m comparison.hostile soak --minutes 30
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure -> exit status."""
    options = parser().parse_args(arguments)
    images = [photograph(seed) for seed in range(NUM_PHOTOGRAPHS)]
    try:
        with running(PEERS[0], images, venvs=Path()) as (processes, target):
            address = f"http://{target.host}:{target.port}"
            with urllib.request.urlopen(f"{address}/models", timeout=10) as response:
                model = json.load(response)["models"][0]["name"]
            hostile = [request for request in hostile_requests(target, model) if options.only in request.name]
            ordinary = [target.post(image, ORDINARY) for image in images]
            if not hostile:
                print(f"hostile: no request has {options.only!r} in its name", file=sys.stderr)
                return 1
            if options.mode == "stall":
                broken = stalls(
                    target,
                    ordinary,
                    hostile,
                    rate=options.rate,
                    seconds=options.seconds,
                    num_turns=options.turns,
                )
            else:
                broken = soak(target, processes, ordinary, hostile, rate=options.rate, minutes=options.minutes)
            for name, value in sorted(fetch_metrics(f"{address}/metrics").items()):
                if name.startswith("singleshot_rejected_total") and value:
                    print(f"{name} {value:.0f}")
    except (OSError, PeerError) as error:
        print(f"hostile: {error}", file=sys.stderr)
        return 1
    for bound in broken:
        print(f"BROKEN: {bound}")
    return 1 if broken else 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m comparison.hostile",
        description="Send hostile requests beside ordinary ones, and report what the ordinary ones notice.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("mode", choices=["stall", "soak"], help="each hostile request alone, or all in a mix")
    parser.add_argument("--only", default="", metavar="TEXT", help="only hostile requests with this text in their name")
    parser.add_argument("--rate", type=float, default=20.0, help="ordinary requests a second (default: 20)")
    parser.add_argument("--seconds", type=float, default=6.0, help="stall: length of each turn (default: 6)")
    parser.add_argument("--turns", type=int, default=2, help="stall: turns of each hostile request (default: 2)")
    parser.add_argument("--minutes", type=float, default=30.0, help="soak: its length (default: 30)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
