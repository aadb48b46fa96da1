"""The command line of `python -m models analyse`: the papers' ablations and figures."""

import argparse
from pathlib import Path
from typing import Any

from matplotlib.backend_bases import FigureCanvasBase

from models.command_line import Once, add_data, add_device, add_workers, comma_separated, count_from, share
from models.data.announce import announce, announce_shared
from models.data.data_set import MAX_PIXELS, DataError
from models.data.loader import choose_num_workers
from models.data.open import open_data_set, open_data_sets
from models.papers.ablation import FSAF_ROWS, PASSD_ROWS, ablate
from models.papers.errors import FigureError
from models.papers.levels import write_figures
from models.papers.matching import draw_matching
from models.papers.sampling import draw_sampling
from models.passd.passd import PASSD
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.retinanet.retinanet import RetinaNet
from models.training.checkpoint import TrainedModel, load_model
from service.detection.decode import decode_image
from service.errors import ImageError

EXAMPLES = """examples:
  python -m models analyse levels runs/joint/best.pt --data VOC --split test --out levels
  python -m models analyse matching runs/mine/best.pt --data VOC --split test --out matching.png
  python -m models analyse sampling runs/mine/best.pt picture.jpg --out sampling.png
  python -m models analyse ablation passd-320-mobilenet --data VOC --out runs/ablation --rows conv,clipped,pa --seeds 3
  python -m models analyse ablation retinanet-fsaf-512-resnet50 --data VOC --out runs/ablation --seeds 3
"""


def add_verbs(verbs: Any) -> None:
    """Add `analyse` and its subcommands to the verbs of a parser."""
    raw = argparse.RawDescriptionHelpFormatter
    analyse = verbs.add_parser(
        "analyse", help="the papers' ablations and figures", epilog=EXAMPLES, formatter_class=raw
    )
    kinds = analyse.add_subparsers(required=True, metavar="KIND")

    kind = kinds.add_parser("levels", help="the pyramid level that finds each object (FSAF, Figure 8)")
    kind.add_argument("checkpoint", type=Path, help="of an fsaf or retinanet-fsaf preset")
    add_data(kind, "test")
    kind.add_argument("--out", type=Path, required=True, help="folder for the images")
    kind.add_argument("--count", type=count_from(1), default=20, help="number of images, from the first (default: 20)")
    kind.add_argument("--score-threshold", type=share, default=0.3, help="default: 0.3")
    kind.set_defaults(run=run_levels)

    kind = kinds.add_parser(
        "matching", help="number of default boxes matched to an object, before and after proposing (PASSD, Figure 2)"
    )
    kind.add_argument("checkpoint", type=Path, help="of a passd preset")
    add_data(kind, "test")
    kind.add_argument("--out", type=Path, required=True, help="the PNG to write")
    kind.set_defaults(run=run_matching)

    kind = kinds.add_parser("sampling", help="positions of the taps of the best boxes in an image (PASSD, Figure 1)")
    kind.add_argument("checkpoint", type=Path, help="of a passd preset")
    kind.add_argument("picture", type=Path)
    kind.add_argument("--boxes", type=count_from(1), default=5, help="number of boxes (default: 5)")
    kind.add_argument("--out", type=Path, required=True, help="the PNG to write")
    kind.set_defaults(run=run_sampling)

    kind = kinds.add_parser(
        "ablation", help="train and evaluate the rows of PASSD's Tables 1 and 3, or of FSAF's Table 1"
    )
    kind.add_argument("preset", help="a passd or retinanet-fsaf preset; each row changes its prediction module")
    names = f"for passd: {','.join(PASSD_ROWS)}; for retinanet-fsaf: {','.join(FSAF_ROWS)}"
    kind.add_argument(
        "--rows", action="extend", type=comma_separated, help=f"rows of the table (default: all); {names}"
    )
    add_data(kind, "train", "to train on; the first --data has the --test-split")
    kind.add_argument("--test-split", action=Once, help="split to measure AP on (default: test)")
    kind.add_argument("--out", type=Path, required=True, help="folder for the runs and table.md")
    kind.add_argument("--seeds", type=count_from(1), default=1, help="runs of each row (default: 1)")
    kind.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a setting of all rows")
    add_workers(kind)
    add_device(kind)
    kind.set_defaults(run=run_ablation)


def run_levels(options: argparse.Namespace) -> None:
    trained = load_anchor_free(options.checkpoint)
    data_set = announce(open_data_sets(options.data, options.split or ["test"], trained.classes))
    print(write_figures(trained.model, data_set.samples[: options.count], options.out, options.score_threshold))


def run_ablation(options: argparse.Namespace) -> None:
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
        num_workers=choose_num_workers(options.workers, options.device),
        device=options.device,
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
