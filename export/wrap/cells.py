"""The cells of a YOLO head: how many boxes an input of some size has."""

from dataclasses import dataclass

LEVELS = ((8, 16, 32), (8, 16, 32, 64))  # strides of heads on P3…P5 and on P3…P6
ANCHORS_A_CELL = 3  # of YOLOv5; later ones have one box a cell


@dataclass(frozen=True)
class Level:
    """The cells of one stride, row by row."""

    stride: int
    rows: int
    columns: int


def levels_of(num_boxes: int, height: int, width: int, boxes_a_cell: int = 1) -> tuple[Level, ...] | None:
    """The levels of a head with so many boxes for an input of that size; None if its strides are others."""
    for strides in LEVELS:
        levels = tuple(Level(stride, height // stride, width // stride) for stride in strides)
        if boxes_a_cell * sum(level.rows * level.columns for level in levels) == num_boxes:
            return levels
    return None
