"""PASSD, the propose-and-attend single-shot detector (Jang et al. 2019)."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.build import BackboneName, build_backbone
from models.backbones.freeze import freeze_stages
from models.backbones.mobilenet import Activation
from models.boxes.anchors import box_strides, default_boxes
from models.boxes.geometry import cxcywh_to_xyxy, decode, encode, xyxy_to_cxcywh
from models.boxes.matching import match
from models.candidates import best_candidates
from models.detector import Targets
from models.layers.convolution import Norm, initialise_new
from models.losses import box_regression, mined_cross_entropy
from models.passd.attending import Attending, AttendingName, DeformableConv, FixedConv, TowerName
from models.passd.fpn import FPN
from models.passd.offset_conv import OffsetConv
from models.ranges import check_ranges
from service.bundle import InputSpec

FPN_CHANNELS = 256  # PASSD §4


@dataclass(frozen=True)
class PASSDConfig:
    """Settings of the network and its loss.

    The defaults are the paper's. If the paper does not give a value, the default is that of its predecessors.
    """

    backbone: BackboneName
    input_size: int
    box_size: float = 4.0  # side of a default box divided by its level's stride, PASSD §5
    box_scales: tuple[float, ...] = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))  # PASSD §5; MS COCO: 2^-1/3, 1, 2^1/3
    backbone_activation: Activation = "relu"  # MobileNet's ImageNet weights need relu6
    num_frozen_stages: int = 0  # of a pretrained base network; the paper trains all
    num_levels: int = 4  # feature maps from stride 8 on; 5 for an input of 768 pixels, PASSD footnote 1
    new_conv_norm: Norm = "bn"
    proposing: Literal["clipped", "unclipped", "none"] = "clipped"
    attending: AttendingName = "offset"
    dilation: int = 1  # for attending "conv"
    tower: TowerName = "conv"  # layers before attending "conv", if tower_depth is not 0: Table 3
    tower_depth: int = 0
    variances: tuple[float, float] = (0.1, 0.2)  # of centre and size deltas, as in SSD; eq. 1 has (1, 1)
    iou_threshold: float = 0.5  # PASSD §5
    force_best_match: bool = True  # as in SSD: each object that overlaps a box has one of its own
    min_negatives: int = 0  # of each image; with 0, the paper's, images without objects teach nothing
    offset_grad: float = 0.0  # share of the attending gradient that reaches the proposals
    max_candidates: int = 200  # PASSD §6.2

    def __post_init__(self) -> None:
        check_ranges(
            self,
            positive=("input_size", "box_size", "box_scales", "dilation", "variances", "max_candidates"),
            not_negative=("num_frozen_stages", "tower_depth", "min_negatives"),
            share=("iou_threshold", "offset_grad"),
        )
        if not self.box_scales:
            raise ValueError("box_scales must have at least one scale")

    @property
    def input_spec(self) -> InputSpec:
        """PASSD stretches its input to a square, as SSD does."""
        return InputSpec(height=self.input_size, width=self.input_size, resize="stretch")


@dataclass(frozen=True)
class PASSDPredictions:
    """Predictions for the N default boxes of all levels; boxes cxcywh in input pixels.

    First stage (None if there is none): objectness (B, N, 2), logits; proposals (B, N, 4), deltas in the units of
    eq. 1, after clipping. adjusted (B, N, 4): the default boxes moved by the proposals. Second stage: logits
    (B, N, K + 1), background first; deltas (B, N, 4) from the adjusted boxes, in the units of eq. 1. default (N, 4):
    the default boxes.
    """

    objectness: Tensor | None
    proposals: Tensor | None
    adjusted: Tensor
    logits: Tensor
    deltas: Tensor
    default: Tensor


@dataclass(frozen=True)
class StageTargets:
    """The targets of one stage.

    labels (B, N), 0 for background; deltas (B, N, 4), divided by the variances, valid only for positive boxes;
    is_ignored (B, N) bool: boxes that are neither positive nor negative.
    """

    labels: Tensor
    deltas: Tensor
    is_ignored: Tensor


class PASSD(nn.Module):
    """Backbone, FPN and propose-and-attend prediction module; all levels share the prediction module's parameters."""

    default: Tensor
    stride: Tensor
    variances: Tensor

    def __init__(self, config: PASSDConfig, classes: tuple[str, ...]) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.backbone = build_backbone(
            config.backbone, config.num_levels, config.new_conv_norm, config.backbone_activation
        )
        freeze_stages(self.backbone, config.num_frozen_stages)
        self.strides: tuple[int, ...] = self.backbone.strides
        if config.input_size % self.strides[-1]:
            raise ValueError(
                f"input_size is {config.input_size}; with {config.backbone} it must be a multiple of "
                f"{self.strides[-1]}, the stride of the top level"
            )
        self.fpn = FPN(self.backbone.channels, FPN_CHANNELS, config.new_conv_norm)
        self.boxes_per_cell = len(config.box_scales)
        if config.proposing != "none":
            self.objectness = nn.Conv2d(FPN_CHANNELS, 2 * self.boxes_per_cell, 3, padding=1)
            self.proposals = nn.Conv2d(FPN_CHANNELS, 4 * self.boxes_per_cell, 3, padding=1)
            initialise_new(self.objectness)
            initialise_new(self.proposals)
        self.attending = build_attending(config, self.boxes_per_cell, len(classes) + 1)

        self.map_sizes = [(config.input_size // stride,) * 2 for stride in self.strides]
        boxes = default_boxes(self.map_sizes, self.strides, config.box_size, config.box_scales)
        self.register_buffer("default", boxes, persistent=False)
        self.register_buffer("stride", box_strides(self.map_sizes, self.strides, self.boxes_per_cell), persistent=False)
        variances = torch.tensor(config.variances).repeat_interleave(2)  # (4,) for dx, dy, dw, dh
        self.register_buffer("variances", variances, persistent=False)

    def forward(self, images: Tensor) -> PASSDPredictions:
        """images float (B, 3, H, W), normalised, H = W = config.input_size."""
        maps = self.fpn(self.backbone(images))
        objectness = proposals = None
        adjusted = self.default.expand(images.shape[0], -1, -1)  # len() would fix the batch size in an exported graph
        if self.config.proposing != "none":
            objectness = torch.cat([self.per_box(self.objectness(x)) for x in maps], dim=1).float()
            proposals = self.propose(torch.cat([self.per_box(self.proposals(x)) for x in maps], dim=1).float())
            adjusted = decode(proposals, self.default)
        outputs = torch.cat(
            [
                self.per_box(self.attending(x, geometry).flatten(1, 2))
                for x, geometry in zip(maps, self.geometry(adjusted), strict=True)
            ],
            dim=1,
        ).float()
        logits, deltas = torch.split(outputs, [len(self.classes) + 1, 4], dim=2)
        return PASSDPredictions(objectness, proposals, adjusted, logits, deltas * self.variances, self.default)

    def per_box(self, output: Tensor) -> Tensor:
        """The output of a head (B, A*C, H, W) -> (B, H*W*A, C), in the order of the default boxes."""
        channels = output.shape[1] // self.boxes_per_cell
        return output.permute(0, 2, 3, 1).reshape(output.shape[0], -1, channels)

    def propose(self, raw: Tensor) -> Tensor:
        """The deltas (B, N, 4) of the first stage from the raw output (B, N, 4) of its convolution.

        If clipped, the shift is tanh(raw) times half a cell, divided by the box's size (eq. 2): a decoded centre never
        leaves its cell. The loss takes the clipped value. An object beyond the limit saturates the tanh; this is the
        intended regularisation.
        """
        shift, scale = torch.split(raw, 2, dim=2)
        if self.config.proposing == "clipped":
            shift = torch.tanh(shift) * self.stride / (2 * self.default[:, 2:])  # PASSD §5.1.1, eq. 2
        else:
            shift = shift * self.variances[:2]
        return torch.cat([shift, scale * self.variances[2:]], dim=2)

    def geometry(self, adjusted: Tensor) -> list[Tensor]:
        """The sampling geometry of the adjusted boxes (B, N, 4): one (B, A, 4, H, W) for each level.  # PASSD eq. 4

        It is (shift_y, shift_x, height, width) in cells.
        """
        share = self.config.offset_grad
        boxes = adjusted.detach() if share == 0 else adjusted * share + adjusted.detach() * (1 - share)
        shift = (boxes[..., :2] - self.default[:, :2]) / self.stride
        size = boxes[..., 2:] / self.stride
        per_box = torch.cat([shift.flip(-1), size.flip(-1)], dim=2)  # (B, N, 4)
        counts = [height * width * self.boxes_per_cell for height, width in self.map_sizes]
        return [
            level.view(-1, height, width, self.boxes_per_cell, 4).permute(0, 3, 4, 1, 2)
            for level, (height, width) in zip(torch.split(per_box, counts, dim=1), self.map_sizes, strict=True)
        ]

    def loss(self, predictions: PASSDPredictions, targets: list[Targets]) -> dict[str, Tensor]:
        """The terms of PASSD §6.1: classification and regression of each stage, divided by its number of positives."""
        losses = {}
        floor = self.config.min_negatives
        if predictions.objectness is not None and predictions.proposals is not None:
            found = self.assign(predictions.default.expand_as(predictions.adjusted), targets)
            is_positive = found.labels > 0
            losses["objectness"] = mined_cross_entropy(
                predictions.objectness, is_positive.long(), found.is_ignored, floor
            )
            losses["proposals"] = box_regression(predictions.proposals / self.variances, found.deltas, is_positive)
        found = self.assign(predictions.adjusted.detach(), targets)
        losses["scores"] = mined_cross_entropy(predictions.logits, found.labels, found.is_ignored, floor)
        losses["boxes"] = box_regression(predictions.deltas / self.variances, found.deltas, found.labels > 0)
        return losses

    @torch.no_grad()
    def assign(self, boxes: Tensor, targets: list[Targets]) -> StageTargets:
        """The targets of boxes (B, N, 4) cxcywh: default boxes in the first stage, adjusted boxes in the second."""
        ground_truth = [target.boxes for target in targets]
        ignored = [target.ignored for target in targets]
        matches = match(
            cxcywh_to_xyxy(boxes), ground_truth, self.config.iou_threshold, self.config.force_best_match, ignored
        )
        if not any(map(len, ground_truth)):
            return StageTargets(torch.zeros_like(matches.index), torch.zeros_like(boxes), matches.is_ignored)
        labels = torch.cat([target.labels for target in targets])[matches.index] + 1
        deltas = encode(xyxy_to_cxcywh(torch.cat(ground_truth))[matches.index], boxes) / self.variances
        return StageTargets(labels.where(matches.is_positive, 0), deltas, matches.is_ignored)

    def decode(self, predictions: PASSDPredictions) -> tuple[Tensor, Tensor]:
        """Boxes xyxy and scores of the second stage: softmax without the background column.  # PASSD §6.2"""
        boxes = cxcywh_to_xyxy(decode(predictions.deltas, predictions.adjusted))
        return boxes, F.softmax(predictions.logits, dim=2)[..., 1:]

    def candidates(self, predictions: PASSDPredictions, max_candidates: int) -> tuple[Tensor, Tensor, Tensor]:
        """The best candidates of all levels.  # PASSD §6.2"""
        return best_candidates(*self.decode(predictions), max_candidates)


def build_attending(config: PASSDConfig, boxes_per_cell: int, num_scores: int) -> Attending:
    """The last layers of the prediction module: the offset convolution or one of its alternatives."""
    if config.tower_depth and config.attending != "conv":
        raise ValueError(
            f"tower_depth is {config.tower_depth}; only attending 'conv' has towers, not {config.attending!r}"
        )
    match config.attending:
        case "offset":
            return OffsetConv(FPN_CHANNELS, boxes_per_cell, num_scores)
        case "deformable":
            return DeformableConv(FPN_CHANNELS, boxes_per_cell, num_scores)
        case "conv":
            return FixedConv(
                FPN_CHANNELS, boxes_per_cell, num_scores, config.dilation, config.tower, config.tower_depth
            )
