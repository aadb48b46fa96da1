"""What the verbs train, evaluate, presets and describe of `python -m models` do. They import torch."""

import argparse
import sys

from models.backbones.download import PretrainedError
from models.command_line import default_device
from models.data.announce import announce, announce_shared
from models.data.data_set import DataError
from models.data.loader import choose_num_workers
from models.data.open import open_data_set, open_data_sets
from models.distributed import is_first, process_group
from models.evaluation import multi_scale
from models.evaluation.evaluate import evaluate, score
from models.evaluation.flip import FlipAverage
from models.evaluation.outputs import Outputs
from models.evaluation.torch_engine import TorchEngine
from models.presets.catalogue import PRESETS, find_preset
from models.presets.describe import describe, list_presets
from models.presets.overrides import override
from models.presets.preset import PresetError
from models.training.box_advice import box_advice
from models.training.checkpoint import CheckpointError, load_model
from models.training.resume import saved_preset
from models.training.run_state import TrainingError
from models.training.train import train
from service.command_names import named

ERRORS = CheckpointError, DataError, PresetError, PretrainedError, TrainingError, OSError


def run_train(options: argparse.Namespace) -> None:
    init = "none" if options.init_from else options.init
    short = {"optim.epochs": options.epochs, "init": init, "init_from": options.init_from}
    settings = options.set + [f"{name}={value}" for name, value in short.items() if value is not None]
    new = None if options.resume else find_preset(options.preset)
    with process_group(options.device or default_device()) as device:
        preset = override(new or saved_preset(options.out / "last.pt", options.preset), settings)
        train_set, val_set = announce(open_data_sets(options.data, options.split or ["trainval"])), None
        if options.val_split:
            val_set = announce(open_data_set(options.data[0], options.val_split, train_set.classes))
            announce_shared(train_set, val_set)
        if is_first():
            for line in box_advice(preset, train_set):
                print(line, file=sys.stderr if line.startswith("warning") else sys.stdout)
        train(
            preset,
            train_set,
            val_set,
            options.out,
            resume=options.resume,
            num_workers=choose_num_workers(options.workers, device),
            device=device,
        )
        if is_first():
            best = options.out / "best.pt"
            if not best.is_file():  # of a finished run that is resumed
                best = options.out / "last.pt"
            print(f"done: {best}; export it with: {named('python -m export')} build {best} --out BUNDLE")


def run_evaluate(options: argparse.Namespace) -> None:
    outputs = Outputs(options.results, options.plots)
    outputs.prepare()
    trained = load_model(options.checkpoint)
    needed = outputs.needs_annotations
    splits = options.split or ["test"]
    data_set = announce(open_data_sets(options.data, splits, trained.classes, needs_annotations=needed))
    model = FlipAverage(trained.model) if options.flip else trained.model
    engine, preset = TorchEngine(model.to(options.device or default_device())), trained.preset
    if options.scales == "served":
        evaluation = evaluate(engine, data_set, preset.model.input_spec, preset.nms_defaults)
    else:
        is_multi = options.scales == "multi"
        scales = multi_scale.multi_scale(preset) if is_multi else multi_scale.single_scale(preset)
        evaluation = score(data_set, multi_scale.detect_all(engine, data_set.samples, scales, flip=is_multi))
    outputs.present(evaluation, f"{options.checkpoint}{' with --flip' if options.flip else ''}")


def run_presets(_: argparse.Namespace) -> None:
    print(list_presets(PRESETS.values()))


def run_describe(options: argparse.Namespace) -> None:
    print(describe(override(find_preset(options.preset), options.set), options.classes))
