"""RetinaNet (Lin et al. 2017) with the anchor-based branch, the anchor-free one of FSAF (Zhu et al. 2019), or both."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from models.backbones.build import BackboneName, build_backbone
from models.backbones.freeze import freeze_stages
from models.backbones.mobilenet import Activation
from models.candidates import best_candidates, best_of_levels
from models.detector import Targets
from models.layers.batch_norm import freeze_batch_norm
from models.layers.convolution import initialise_new
from models.ranges import check_ranges
from models.retinanet.anchor_branch import AnchorBranch, AnchorPredictions
from models.retinanet.anchor_free_branch import AnchorFreeBranch, AnchorFreePredictions
from models.retinanet.fpn import RetinaNetFPN
from models.retinanet.level_selection import LevelSelection
from service.bundle import InputSpec

TOP_DOWN_STRIDE = 32  # of C5, the start of the top-down path; P6 and P7 may round their sizes up

Branches = Literal["anchor-based", "anchor-free", "joint"]


@dataclass(frozen=True)
class RetinaNetConfig:
    """Settings of the network and its loss.

    The defaults are those of the two papers. If they give no value, the default is that of their predecessors.
    """

    backbone: BackboneName
    input_size: int  # side of the square into which the server letterboxes images; training takes any size
    branches: Branches = "joint"
    level_selection: LevelSelection = "online"  # FSAF §3.3: eq. 2, or eq. 3
    anchor_free_weight: float = 0.5  # FSAF §3.4, lambda
    force_best_match: bool = True  # as in Detectron; each object that overlaps an anchor has one of its own
    backbone_norm: Literal["frozen", "batch"] = "frozen"  # as in Detectron; "batch" if there is no pretraining
    backbone_activation: Activation = "relu"  # MobileNet's ImageNet weights need relu6
    channels: int = 256  # of the pyramid and the towers, RetinaNet §4
    tower_depth: int = 4  # RetinaNet §4
    max_candidates: int = 1000  # of all levels
    candidates_per_level: int = 0  # at most, of each level and branch; 0 means no limit. FSAF §3.4: 1000
    num_frozen_stages: int = 2  # as in Detectron: the stem and layer1 of a pretrained ResNet

    def __post_init__(self) -> None:
        check_ranges(
            self,
            positive=("input_size", "channels", "max_candidates"),
            not_negative=("anchor_free_weight", "tower_depth", "candidates_per_level", "num_frozen_stages"),
        )

    @property
    def input_spec(self) -> InputSpec:
        """RetinaNet letterboxes its input, which keeps the aspect ratio."""
        return InputSpec(height=self.input_size, width=self.input_size, resize="letterbox")


@dataclass(frozen=True)
class RetinaNetPredictions:
    """The predictions of each branch; None if the network does not have that branch."""

    anchor_based: AnchorPredictions | None
    anchor_free: AnchorFreePredictions | None


class RetinaNet(nn.Module):
    """Backbone, pyramid, one tower for classes and one for boxes, and the branches on top of both towers."""

    anchor_based: AnchorBranch | None
    anchor_free: AnchorFreeBranch | None

    def __init__(self, config: RetinaNetConfig, classes: tuple[str, ...]) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        if config.input_size % TOP_DOWN_STRIDE:
            raise ValueError(
                f"input_size is {config.input_size}; it must be a multiple of {TOP_DOWN_STRIDE}, the stride of C5"
            )
        self.backbone = build_backbone(config.backbone, 3, "none", config.backbone_activation)
        if config.backbone_norm == "frozen":
            freeze_batch_norm(self.backbone)
        freeze_stages(self.backbone, config.num_frozen_stages)
        self.fpn = RetinaNetFPN(self.backbone.channels, config.channels)
        self.class_tower = tower(config.channels, config.tower_depth)
        self.box_tower = tower(config.channels, config.tower_depth)
        strides = RetinaNetFPN.strides
        self.anchor_based = self.anchor_free = None
        if config.branches != "anchor-free":
            self.anchor_based = AnchorBranch(config.channels, len(classes), strides, config.force_best_match)
        if config.branches != "anchor-based":
            self.anchor_free = AnchorFreeBranch(
                config.channels, len(classes), strides, config.level_selection, config.anchor_free_weight
            )

    def forward(self, images: Tensor) -> RetinaNetPredictions:
        """images float (B, 3, H, W), normalised; H and W are multiples of 32."""
        levels = self.fpn(self.backbone(images))
        class_maps = [self.class_tower(x) for x in levels]
        box_maps = [self.box_tower(x) for x in levels]
        return RetinaNetPredictions(
            self.anchor_based(class_maps, box_maps) if self.anchor_based else None,
            self.anchor_free(class_maps, box_maps) if self.anchor_free else None,
        )

    def loss(self, predictions: RetinaNetPredictions, targets: list[Targets]) -> dict[str, Tensor]:
        """The terms of L = L_ab + lambda (L_cls + L_reg); anchor-free terms include the factor lambda.  # FSAF §3.4"""
        losses: dict[str, Tensor] = {}
        if self.anchor_based and predictions.anchor_based:
            losses |= self.anchor_based.loss(predictions.anchor_based, targets)
        if self.anchor_free and predictions.anchor_free:
            losses |= self.anchor_free.loss(predictions.anchor_free, targets)
        return losses

    def decode(self, predictions: RetinaNetPredictions) -> tuple[Tensor, Tensor]:
        """Boxes (B, N, 4) xyxy in input pixels and scores (B, N, K) of both branches, anchors first.  # FSAF §3.4"""
        found = []
        if self.anchor_based and predictions.anchor_based:
            found.append(self.anchor_based.decode(predictions.anchor_based))
        if self.anchor_free and predictions.anchor_free:
            found.append(self.anchor_free.decode(predictions.anchor_free))
        boxes, scores = zip(*found, strict=True)
        return torch.cat(boxes, dim=1), torch.cat(scores, dim=1)

    def candidates(self, predictions: RetinaNetPredictions, max_candidates: int) -> tuple[Tensor, Tensor, Tensor]:
        """The best candidates of both branches; if configured, only the best of each level take part.  # FSAF §3.4

        Its threshold of 0.05 does not matter here: candidates below it are worse than all above it.
        """
        boxes, scores = self.decode(predictions)
        per_level = self.config.candidates_per_level
        if not per_level:
            return best_candidates(boxes, scores, max_candidates)
        level_sizes: list[int] = []
        if predictions.anchor_based:
            level_sizes += predictions.anchor_based.level_sizes
        if predictions.anchor_free:
            level_sizes += [height * width for height, width in predictions.anchor_free.cells.map_sizes]
        return best_of_levels(boxes, scores, level_sizes, per_level, max_candidates)


def tower(channels: int, depth: int) -> nn.Sequential:
    """3x3 convolutions, each with ReLU; all levels share them.  # RetinaNet §4"""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
    convolutions = nn.Sequential(*layers)
    initialise_new(convolutions)
    return convolutions
