"""The rows of the papers' ablations. This module imports nothing, so that a command line can name them at once."""

from collections.abc import Mapping

Rows = Mapping[str, tuple[str, ...]]  # name of a row -> the settings that it changes in a preset

CONV = ("model.proposing=none", "model.attending=conv")
PASSD_ROWS: Rows = {  # PASSD, Table 1, then the rest of Table 3
    "conv": CONV,
    "unclipped": ("model.proposing=unclipped", "model.attending=conv"),
    "clipped": ("model.attending=conv",),
    "dilation2": ("model.attending=conv", "model.dilation=2"),
    "dilation3": ("model.attending=conv", "model.dilation=3"),
    "deformable": ("model.attending=deformable",),
    "pa": (),
    "conv1-conv": (*CONV, "model.tower_depth=1"),
    "conv2-conv": (*CONV, "model.tower_depth=2"),
    "resblock1-conv": (*CONV, "model.tower=resblock", "model.tower_depth=1"),
    "resblock2-conv": (*CONV, "model.tower=resblock", "model.tower_depth=2"),
}
FSAF_ROWS: Rows = {  # FSAF, Table 1, in its order
    "anchor-based": ("model.branches=anchor-based",),
    "anchor-free-heuristic": ("model.branches=anchor-free", "model.level_selection=heuristic"),
    "anchor-free-online": ("model.branches=anchor-free", "model.level_selection=online"),
    "joint-heuristic": ("model.branches=joint", "model.level_selection=heuristic"),
    "joint-online": ("model.branches=joint", "model.level_selection=online"),
}
