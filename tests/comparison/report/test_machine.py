"""The machine, and the versions in the environment of a server."""

import platform
import sys
from importlib.metadata import version
from pathlib import Path

from comparison.peers import PEERS
from comparison.report.machine import differing, processor_of, versions_in, versions_of
from service import __version__


def test_the_processor_is_the_one_that_the_kernel_names(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\nprocessor\t: 1\nmodel name\t: Fast CPU @ 3 GHz\n")
    assert processor_of(info) == "Fast CPU @ 3 GHz"
    assert processor_of(tmp_path / "none") == "unknown"


def test_versions_are_those_of_the_environment_and_a_missing_package_is_missing() -> None:
    found = versions_in(Path(sys.executable), ["numpy", "no-such-package"])
    assert found == {"python": platform.python_version(), "numpy": version("numpy")}


def test_this_server_s_version_is_known_even_if_it_is_not_installed() -> None:
    assert versions_of(PEERS[0], Path(sys.executable))["singleshot"] == __version__


def test_what_differs_among_the_servers_is_named() -> None:
    assert differing({"a": {"python": "3.11", "numpy": "2"}, "b": {"python": "3.11", "numpy": "1", "b": "1"}}) == [
        "numpy"
    ]
