"""What `python -m models analyse` does: the papers' ablations and figures."""

import argparse
from pathlib import Path

from matplotlib.backend_bases import FigureCanvasBase

from models.backbones.download import PretrainedError
from models.command_line import default_device
from models.data.announce import announce, announce_shared
from models.data.data_set import MAX_PIXELS, DataError
from models.data.loader import choose_num_workers
from models.data.open import open_data_set, open_data_sets
from models.papers.ablation import ablate
from models.papers.errors import FigureError
from models.papers.levels import write_figures
from models.papers.matching import draw_matching
from models.papers.sampling import draw_sampling
from models.passd.passd import PASSD
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.presets.preset import PresetError
from models.retinanet.retinanet import RetinaNet
from models.training.checkpoint import CheckpointError, TrainedModel, load_model
from models.training.run_state import TrainingError
from service.detection.decode import decode_image
from service.errors import ImageError

ERRORS = CheckpointError, DataError, FigureError, PresetError, PretrainedError, TrainingError, OSError


def run(options: argparse.Namespace) -> None:
    """Make the kind of figure or table that the command line names; raises ERRORS."""
    runs = {"levels": run_levels, "matching": run_matching, "sampling": run_sampling, "ablation": run_ablation}
    runs[options.kind](options)


def run_levels(options: argparse.Namespace) -> None:
    trained = load_anchor_free(options.checkpoint)
    data_set = announce(open_data_sets(options.data, options.split or ["test"], trained.classes))
    print(write_figures(trained.model, data_set.samples[: options.count], options.out, options.score_threshold))


def run_ablation(options: argparse.Namespace) -> None:
    device = options.device or default_device()
    preset = override(find_preset(options.preset), options.set)
    train_set = announce(open_data_sets(options.data, options.split or ["train"]))
    test_set = announce(open_data_set(options.data[0], options.test_split or "test", train_set.classes))
    announce_shared(train_set, test_set)
    text = ablate(
        preset,
        train_set,
        test_set,
        options.out,
        names=options.rows,
        num_seeds=options.seeds,
        num_workers=choose_num_workers(options.workers, device),
        device=device,
    )
    print(text)


def run_matching(options: argparse.Namespace) -> None:
    prepare(options.out)
    trained = load_passd(options.checkpoint)
    data_set = announce(open_data_sets(options.data, options.split or ["test"], trained.classes))
    matches = draw_matching(trained.model, data_set, options.out)
    print(
        f"{options.out}: {len(matches.scales)} objects are matched by {matches.before.mean():.2f} default boxes each, "
        f"by {matches.after.mean():.2f} after the proposing process"
    )


def run_sampling(options: argparse.Namespace) -> None:
    prepare(options.out)
    trained = load_passd(options.checkpoint)
    try:
        image = decode_image(options.picture.read_bytes(), max_pixels=MAX_PIXELS).pixels
    except (OSError, ImageError) as error:
        raise DataError(f"{options.picture}: {error}") from error
    boxes = draw_sampling(trained.model, image, options.out, options.boxes)
    print(f"{options.out}: {', '.join(f'{trained.classes[box.label]} {box.score:.2f}' for box in boxes)}")


def prepare(figure: Path) -> None:
    """Make the folder of a figure; raise FigureError before the work if the figure cannot be written to that name."""
    formats = FigureCanvasBase.get_supported_filetypes()
    if figure.suffix.removeprefix(".").lower() not in formats or figure.is_dir():
        raise FigureError(f"--out {figure}: give the name of a PNG, e.g. figure.png")
    figure.parent.mkdir(parents=True, exist_ok=True)


def load_anchor_free(path: Path) -> TrainedModel:
    """The model of a checkpoint, which must be a RetinaNet with the anchor-free branch: the figure shows its levels."""
    trained = load_model(path)
    if not isinstance(trained.model, RetinaNet) or trained.model.anchor_free is None:
        raise FigureError(
            f"{path}: the figure shows the levels of the anchor-free branch, but {trained.preset.name} has none; "
            "give a checkpoint of an fsaf or retinanet-fsaf preset"
        )
    return trained


def load_passd(path: Path) -> TrainedModel:
    """The model of a checkpoint, which must be a PASSD with both stages: the figures show them."""
    trained = load_model(path)
    if not isinstance(trained.model, PASSD) or trained.model.config.proposing == "none":
        raise FigureError(
            f"{path}: the figure shows the proposing process, but {trained.preset.name} has none; "
            "give a checkpoint of a passd preset"
        )
    return trained
