"""The first stages of a base network can be excluded from training."""

import pytest
import torch
from torch import nn

from models.backbones.build import BackboneName, build_backbone
from models.backbones.freeze import freeze_stages
from models.layers.batch_norm import FrozenBatchNorm2d


@pytest.mark.parametrize(
    ("name", "count", "frozen"),
    [
        ("mobilenet", 0, set()),
        ("mobilenet", 1, {"stages.0"}),
        ("mobilenet", 2, {"stages.0", "stages.1"}),
        ("resnet50", 1, {"conv1", "bn1"}),
        ("resnet50", 2, {"conv1", "bn1", "layer1"}),
    ],
)
def test_weights_and_norms_of_frozen_stages_are_frozen_and_no_others(
    name: BackboneName, count: int, frozen: set[str]
) -> None:
    with torch.device("meta"):
        backbone = build_backbone(name, 4, "none")
        freeze_stages(backbone, count)

    def is_in_frozen_stage(path: str) -> bool:
        return any(f"{path}.".startswith(f"{stage}.") for stage in frozen)

    assert all(p.requires_grad != is_in_frozen_stage(path) for path, p in backbone.named_parameters())
    norms = [(path, m) for path, m in backbone.named_modules() if isinstance(m, (nn.BatchNorm2d, FrozenBatchNorm2d))]
    assert all(isinstance(norm, FrozenBatchNorm2d) == is_in_frozen_stage(path) for path, norm in norms)


def test_a_frozen_stage_computes_with_the_statistics_of_its_pretraining() -> None:
    torch.manual_seed(0)
    backbone = build_backbone("mobilenet", 3, "none")
    for path, buffer in backbone.named_buffers():
        if path.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 2)
    images = torch.randn(2, 3, 64, 64)
    expected = backbone.eval()(images)[0]
    freeze_stages(backbone, 1)
    torch.testing.assert_close(backbone.train()(images)[0], expected)


@pytest.mark.parametrize(("name", "count", "available"), [("mobilenet", 4, 3), ("vgg16", 1, 0), ("resnet50", -1, 5)])
def test_the_number_of_stages_is_checked(name: BackboneName, count: int, available: int) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=f"is {count}; this .* has {available} stages"):
        freeze_stages(build_backbone(name, 4, "none"), count)
