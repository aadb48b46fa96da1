"""The code in docs/wrap.md makes a model that is wrapped as it is."""

import re
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from export.wrap.wrap import wrap
from tests.export.wrap.wishes import wish

PAGE = Path(__file__).parents[3] / "docs/wrap.md"


class Corners(nn.Module):
    """A detector that finds two boxes in each image, one of them as bright as the image."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        brightness = images.mean(dim=(1, 2, 3))[:, None]
        scores = torch.stack([brightness, 1 - brightness], dim=2)
        boxes = torch.tensor([[10.0, 10, 90, 90], [100, 100, 300, 200]])
        return boxes.expand(images.shape[0], 2, 4), torch.cat([scores, scores / 2], dim=1)


def test_the_graph_of_the_page_is_wrapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        exec(code.replace("max_candidates=300", "max_candidates=4"), {"model": Corners()})
    wanted = wish(tmp_path, "candidates", classes=("cat", "dog"), resize="stretch")
    made = wrap(tmp_path / "mine.onnx", tmp_path / "bundle", wanted)
    assert made.bundle.manifest.max_candidates == 4
    assert (made.bundle.manifest.input.height, made.bundle.manifest.input.width) == (480, 640)
