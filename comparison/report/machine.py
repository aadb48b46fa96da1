"""The machine and the software that are measured."""

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from comparison.peers import Peer
from service import __version__
from service.cores import CPU_INFO, has_amx, num_cores

SHARED = ("openvino", "numpy", "opencv-python-headless")  # whose versions should be the same for all servers
ASK = """
import json, platform, sys
from importlib.metadata import PackageNotFoundError, version
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Machine:
    """The processor and the engine, which all servers share."""

    processor: str
    num_cores: int
    has_amx: bool
    system: str
    engine: str  # and its precision


def machine_of(engine: str) -> Machine:
    """This machine."""
    return Machine(processor_of(), num_cores(), has_amx(), platform.platform(), engine)


def processor_of(cpu_info: Path = CPU_INFO) -> str:
    """The processor's model name; "unknown" if the kernel does not tell."""
    try:
        lines = cpu_info.read_text().splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def versions_of(peer: Peer, python: Path) -> dict[str, str]:
    """The versions of Python and of the packages that matter, in the environment of a server."""
    found = versions_in(python, [*peer.distributions, *SHARED])
    return {"singleshot": __version__, **found} if "singleshot" in peer.distributions else found


def versions_in(python: Path, distributions: Sequence[str]) -> dict[str, str]:
    """Ask an environment's Python for its own version and those of packages; one that is not installed is missing."""
    done = subprocess.run([str(python), "-c", ASK, *distributions], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def differing(versions: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is not the same for all servers, of Python and the packages of the pipeline."""
    return [name for name in ("python", *SHARED) if len({found.get(name) for found in versions.values()}) > 1]
