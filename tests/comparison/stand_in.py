"""Small servers that stand in for the compared ones, and short pauses around them."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from comparison.peers import AS_IT_IS, Peer, Setting, plain
from comparison.turns import measure, resident, rounds
from comparison.turns.probe import Probe

IMAGES = [b"an image", b"another image"]
SCRIPT = Path(__file__).parent / "stand_in_server.py"


@dataclass(frozen=True)
class StandIn(Peer):
    """A peer that needs no engine."""

    def command(self, python: Path, port: int) -> list[str]:
        return [str(python), str(SCRIPT), str(port)]


def stand_in(name: str, *settings: Setting) -> Peer:
    return StandIn(name, None, "/detect", plain, [], settings or (AS_IT_IS,))


def quick_probe() -> Probe:
    """A probe that takes no time."""
    return Probe([lambda files: sum(map(len, files))], IMAGES)


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers settle, rest and be quiet for a moment only, and redo no round."""
    for name in ("REST_SECONDS", "IDLE_SECONDS", "QUIET_WINDOW_SECONDS"):
        monkeypatch.setattr(resident, name, 0.1)
    monkeypatch.setattr(resident, "QUIET_CORES", 100.0)
    monkeypatch.setattr(measure, "SETTLE_SECONDS", 0.3)
    monkeypatch.setattr(rounds, "MAX_SLOWDOWN", 1e9)  # so no round is redone
    monkeypatch.setattr("comparison.running.WARM_UP_SECONDS", 0.1)
