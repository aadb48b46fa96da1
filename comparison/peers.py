"""The servers that are compared: how to install, start and request each of them."""

import json
import site
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from service.benchmark.http_load import Target

HERE = Path(__file__).parent
OURS = "singleshot"


class PeerError(Exception):
    """A server that cannot be installed or started; the message says why."""


@dataclass(frozen=True)
class Setting:
    """One way to configure a server: variables that `comparison/detector.py` reads for the scripts in `servers`."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)


AS_IT_IS = Setting("as it is")
BATCHES = (
    Setting("batches of at most 4", {"COMPARISON_MAX_BATCH": "4"}),
    Setting("no batches", {"COMPARISON_MAX_BATCH": "1"}),
    Setting("batches of at most 8", {"COMPARISON_MAX_BATCH": "8"}),
)
BY_HAND = (
    Setting("a process for each core, whose event loop computes"),
    Setting("one process, a thread for each core computes", {"COMPARISON_USES_THREADS": "1"}),
)


@dataclass(frozen=True)
class Peer:
    """A server. `package` is its distribution in requirements.txt; None if the project's own environment is enough.

    `distributions` are the packages whose versions matter. The first of its settings is used if none is searched for.
    """

    name: str
    package: str | None
    path: str
    request: Callable[[Target, bytes, Mapping[str, str]], bytes]
    distributions: Sequence[str]
    settings: Sequence[Setting] = (AS_IT_IS,)
    environment: Mapping[str, str] = field(default_factory=dict)

    def configured(self, setting: Setting) -> "Peer":
        """This server in one of its settings."""
        return replace(self, settings=(setting,), environment={**self.environment, **setting.environment})

    def command(self, python: Path, port: int) -> list[str]:
        """The command that starts the server on `port`."""
        if self.name == OURS:
            return [str(python), "-m", "service", "--bundle", "default", "--port", str(port)]
        return [str(python), str(HERE / "servers" / f"{self.name}_server.py"), str(port)]


def plain(target: Target, image: bytes, headers: Mapping[str, str]) -> bytes:
    """A request whose body is the image."""
    return target.post(image, {"Content-Type": "image/jpeg", **headers})


def triton(target: Target, image: bytes, headers: Mapping[str, str]) -> bytes:
    """The Open Inference Protocol with its binary extension: a JSON head, then length and bytes of the image."""
    size = {"binary_data_size": len(image) + 4}
    inputs = [{"name": "image", "datatype": "BYTES", "shape": [1, 1], "parameters": size}]
    outputs = [{"name": "answer", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
    body = head + len(image).to_bytes(4, "little") + image
    return target.post(body, {"Inference-Header-Content-Length": str(len(head)), **headers})


def multipart(target: Target, image: bytes, headers: Mapping[str, str]) -> bytes:
    """A form with one file, `images`: BentoML's batched endpoints accept files in no other form."""
    disposition = b'Content-Disposition: form-data; name="images"; filename="a.jpg"\r\n'
    body = b"--edge\r\n" + disposition + b"Content-Type: image/jpeg\r\n\r\n" + image + b"\r\n--edge--\r\n"
    return target.post(body, {"Content-Type": "multipart/form-data; boundary=edge", **headers})


PEERS = (
    Peer(OURS, None, "/detect", plain, ["singleshot", "uvicorn"]),
    Peer("fastapi", None, "/detect", plain, ["fastapi", "uvicorn"], BY_HAND),
    Peer("mosec", "mosec", "/inference", plain, ["mosec"], BATCHES),
    Peer("litserve", "litserve", "/detect", plain, ["litserve", "uvicorn"], BATCHES),
    Peer("bentoml", "bentoml", "/detect", multipart, ["bentoml", "uvicorn"], BATCHES, {"BENTOML_DO_NOT_TRACK": "True"}),
    Peer(
        "pytriton",
        "nvidia-pytriton",
        "/v2/models/detect/infer",
        triton,
        ["nvidia-pytriton"],
        BATCHES,
        # without its shared-memory store, which must start within a second; images of some kilobytes do not need it
        {"PYTRITON_NO_TENSORSTORE": "1"},
    ),
    Peer(
        "ray",
        "ray",
        "/detect",
        plain,
        ["ray", "uvicorn"],
        BATCHES,
        {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"},
    ),
)


def choose(names: str | None) -> list[Peer]:
    """The peers named in `a,b,c`, all if None; raises ValueError."""
    if names is None:
        return list(PEERS)
    known = {peer.name: peer for peer in PEERS}
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise ValueError(f"--servers: there is no server {unknown[0]!r}; choose from {', '.join(known)}")
    return [known[name] for name in names.split(",")]


def requirement_of(package: str) -> str:
    """The line of requirements.txt for a package."""
    lines = (HERE / "requirements.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith((package + ">", package + "[")))


def python_of(peer: Peer, venvs: Path) -> Path:
    """The Python of the peer's virtual environment, which is made if it does not exist; raises PeerError.

    It also finds the packages of this environment, after its own: the engine is the same and is not installed again.
    """
    if peer.package is None:
        return Path(sys.executable)
    home = venvs / peer.name
    python, is_installed = home / "bin" / "python", home / "installed"
    if is_installed.exists():
        return python
    print(f"installing {peer.package} into {home}", flush=True)
    venv.create(home, clear=True, with_pip=True)
    own = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (own / "zz_project.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    install = [str(python), "-m", "pip", "--disable-pip-version-check", "install", requirement_of(peer.package)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(f"not installed: {(done.stderr.strip().splitlines() or ['pip failed'])[-1]}")
    is_installed.touch()
    return python
