"""What importing the client costs, and what it says without its packages."""

import subprocess
import sys
from pathlib import Path

import singleshot
import singleshot.client

ROOT = Path(__file__).parents[3]


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_package_and_the_client_import_only_what_they_need() -> None:
    done = run(
        "import sys, singleshot; assert 'httpx' not in sys.modules\n"
        "from singleshot import Client; assert 'httpx' in sys.modules\n"
        "print(*{'numpy', 'PIL', 'pandas', 'pydantic', 'service', 'models', 'export'} & set(sys.modules))"
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_without_httpx_the_remedy_is_named() -> None:
    done = run("import sys; sys.modules['httpx'] = None; import singleshot; from singleshot import Client")
    assert done.stderr.strip().endswith("the client needs httpx: pip install httpx")


def test_both_packages_export_the_same_names() -> None:
    assert singleshot.__all__ == singleshot.client.__all__
    assert all(getattr(singleshot, name) is getattr(singleshot.client, name) for name in singleshot.__all__)
    assert set(singleshot.__all__) <= set(dir(singleshot))
