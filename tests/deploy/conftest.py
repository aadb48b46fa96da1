"""Fixtures that render the chart; they skip a test without Helm."""

import functools
from pathlib import Path

import pytest

from tests.deploy.chart import Render, installed_helm, render_with


@pytest.fixture
def helm() -> Path:
    if (found := installed_helm()) is None:
        pytest.skip("helm is not installed; `make check-manifests` downloads it")
    return found


@pytest.fixture
def render(helm: Path, tmp_path: Path) -> Render:
    return functools.partial(render_with, helm, tmp_path)
