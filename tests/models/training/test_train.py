"""Training runs on six small images: exact resumption, refusals, several processes and killed runs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.amp import GradScaler

from models.data.open import open_data_set
from models.detector import Targets
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.presets.preset import Preset
from models.training.checkpoint import load_model, read_checkpoint
from models.training.run_state import TrainingError, new_run
from models.training.train import add_gradients, take_step, train
from tests.models.pictures import write_voc
from tests.models.training.two_processes import write_init

SETTINGS = [
    "init=none",
    *(
        "model.input_size=64",
        "optim.batch_size=2",
        "optim.warmup_epochs=1",
        "optim.steps=(150, 200)",
        "optim.clip_grad_norm=10",
        "evaluate_every=2",
    ),
    "optim.precision=fp32",  # the same on every CPU
]


def preset(epochs: int, *settings: str) -> Preset:
    """A recipe of seconds. Its schedule does not depend on the number of epochs, so that runs of all lengths agree."""
    return override(find_preset("passd-320-mobilenet"), [*SETTINGS, f"optim.epochs={epochs}", *settings])


def run(tree: Path, out: Path, recipe: Preset, *, resume: bool = False, val: bool = False) -> None:
    train_set = open_data_set(tree, "train")
    val_set = open_data_set(tree, "test", train_set.classes) if val else None
    train(recipe, train_set, val_set, out, resume=resume, num_workers=0)


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch, next to its data; tests must not write to it."""
    root = tmp_path_factory.mktemp("finished")
    run(write_voc(root / "voc", {"train": 6, "test": 3}), root / "run", preset(1))
    return root


@pytest.fixture
def finished(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run for one test."""
    return Path(shutil.copytree(finished_run, tmp_path / "finished"))


def log_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def assert_same(a: Any, b: Any, where: str = "checkpoint") -> None:
    """Equality bit by bit."""
    if isinstance(a, Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    else:
        assert a == b, where


@pytest.mark.parametrize(
    "settings",
    [(), ("optim.optimizer=adamw", "optim.lr=0.001", "optim.ema=0.9")],
    ids=["sgd", "adamw with averaged weights"],
)
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(
    voc_tree: Path, tmp_path: Path, settings: tuple[str, ...]
) -> None:
    settings = ("evaluate_every=1", *settings)
    run(voc_tree, tmp_path / "whole", preset(2, *settings), val=True)
    run(voc_tree, tmp_path / "parts", preset(1, *settings), val=True)
    run(voc_tree, tmp_path / "parts", preset(2, *settings), val=True, resume=True)
    assert_same(read_checkpoint(tmp_path / "whole" / "last.pt"), read_checkpoint(tmp_path / "parts" / "last.pt"))
    whole, parts = (log_of(tmp_path / name) for name in ("whole", "parts"))
    assert [line["losses"] for line in whole] == [line["losses"] for line in parts]
    assert whole[-1]["measures"] == parts[-1]["measures"]


def test_a_run_writes_checkpoints_a_log_and_a_plot(voc_tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(voc_tree, out, preset(2), val=True)
    assert sorted(p.name for p in out.iterdir()) == ["best.pt", "last.pt", "log.jsonl", "plot.png"]
    lines = log_of(out)
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]["losses"]) == {"objectness", "proposals", "scores", "boxes"}
    assert [list(line.get("measures", {})) for line in lines] == [[], ["AP50", "AP75", "AP50:95"]]
    trained = load_model(out / "best.pt")
    assert (trained.classes, trained.data_set) == (("green", "red"), "voc/train")
    assert trained.golden.shape == (64, 64, 3)


def test_a_run_says_at_its_start_what_it_will_do(voc_tree: Path, tmp_path: Path, capsys: Any) -> None:
    run(voc_tree, tmp_path / "run", preset(1))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "steps: 3 an epoch, of 2 of the 6 images each; 3 in 1 epochs"
    run(voc_tree, tmp_path / "run", preset(2), resume=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["continues after epoch 1", "optim.epochs was 1 and is 2 from here on"]


@pytest.mark.parametrize("measure", ["AP50", "AP50:95"])
def test_the_best_checkpoint_is_the_one_of_the_chosen_measure(measure: str, voc_tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run(voc_tree, out, preset(2, "evaluate_every=1", f"best_by={measure}", "optim.lr=0.01"), val=True)
    values = [line["measures"][measure] for line in log_of(out)]
    best = read_checkpoint(out / "best.pt")
    assert best["best_ap"] == pytest.approx(max(values), abs=1e-5)
    assert best["epoch"] == 1 + values.index(max(values))


def test_a_run_in_a_used_folder_is_refused(finished: Path) -> None:
    before = (finished / "run" / "last.pt").read_bytes()
    with pytest.raises(TrainingError, match=r"last\.pt exists: add --resume"):
        run(finished / "voc", finished / "run", preset(1))
    assert (finished / "run" / "last.pt").read_bytes() == before


def test_a_run_does_not_replace_the_best_checkpoint_of_another(finished: Path) -> None:
    (finished / "run" / "last.pt").unlink()
    before = (finished / "run" / "best.pt").read_bytes()
    with pytest.raises(TrainingError, match=r"best\.pt exists, .*: move it"):
        run(finished / "voc", finished / "run", preset(1))
    assert (finished / "run" / "best.pt").read_bytes() == before


def test_an_epoch_that_is_not_saved_is_one_line_too_many_in_the_log(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.train.save", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        run(finished / "voc", finished / "run", preset(2), resume=True)
    assert [line["epoch"] for line in log_of(finished / "run")] == [1, 2]
    assert read_checkpoint(finished / "run" / "last.pt")["epoch"] == 1


def test_resuming_a_finished_run_does_nothing(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.train.batches_of_run", lambda *_: pytest.fail("it decodes the images"))
    before = (finished / "run" / "last.pt").read_bytes()
    run(finished / "voc", finished / "run", preset(1), resume=True)
    assert (finished / "run" / "last.pt").read_bytes() == before
    assert len(log_of(finished / "run")) == 1


def test_resuming_removes_lines_of_the_log_after_the_checkpoint(finished: Path) -> None:
    log = finished / "run" / "log.jsonl"
    log.write_text(log.read_text() + '{"epoch": 2, "of": "an epoch whose checkpoint was never written"}\n')
    run(finished / "voc", finished / "run", preset(2), resume=True)
    assert ["of" in line for line in log_of(finished / "run")] == [False, False]


def test_resuming_on_other_data_is_refused(finished: Path) -> None:
    data = open_data_set(finished / "voc", "train")
    for other, message in (
        (
            replace(data, classes=("cat", "dog")),
            "classes of that run are green, red; the classes of these data are cat",
        ),
        (replace(data, samples=data.samples[:5]), "training data of that run differ: voc/train with 6 images before"),
    ):
        with pytest.raises(TrainingError, match=message):
            train(preset(2), other, None, finished / "run", resume=True, num_workers=0)


def test_a_loss_that_is_not_finite_stops_the_run_and_saves_the_batch(voc_tree: Path, tmp_path: Path) -> None:
    diverging = preset(1, "optim.lr=1e30", "optim.warmup_epochs=0", "optim.clip_grad_norm=0")
    with pytest.raises(TrainingError, match=r"not finite in epoch 1, step \d+ .*bad_batch_0\.pt: try a smaller rate"):
        run(voc_tree, tmp_path / "run", diverging)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["bad_batch_0.pt", "log.jsonl"]
    batch = read_checkpoint(tmp_path / "run" / "bad_batch_0.pt")
    assert (batch["images"].shape, batch["images"].dtype) == ((2, 64, 64, 3), torch.uint8)
    assert len(batch["boxes"]) == len(batch["labels"]) == len(batch["ignored"]) == 2


def test_float16_on_a_cpu_is_refused(voc_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="precision is fp16, which is for GPUs"):
        run(voc_tree, tmp_path / "run", preset(1, "optim.precision=fp16"))


def test_scaled_gradients_that_overflow_change_nothing_and_others_take_the_same_step() -> None:
    """The scaler of float16, on the CPU; its scale is a power of 2, so that nothing is rounded."""
    recipe = preset(1, "optim.ema=0.9", "optim.clip_grad_norm=0.5")
    runs = [new_run(recipe, ("green", "red"), "cpu", pretrained=False) for _ in range(2)]
    plain, scaled = runs
    scaled.scaler = GradScaler("cpu", init_scale=1024)
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    targets = [Targets(torch.tensor([[4.0, 4, 40, 44]]), torch.tensor([1]))] * 2
    losses = [add_gradients(r.model, r.model, (images, targets), recipe.optim, "cpu", r.scaler) for r in runs]
    assert losses[0] == losses[1]
    for one in runs:
        take_step(one, recipe.optim)
    assert_same(plain.model.state_dict(), scaled.model.state_dict())

    before = {name: tensor.clone() for name, tensor in scaled.model.state_dict().items()}
    scaled.optimizer.zero_grad()
    next(scaled.model.parameters()).grad = torch.full_like(next(scaled.model.parameters()), torch.inf)
    scaled.scaler.scale(torch.ones(()))
    take_step(scaled, recipe.optim)
    assert_same(before, scaled.model.state_dict())
    assert scaled.scaler.get_scale() == 512


def test_a_batch_in_parts_has_the_gradients_of_the_whole_batch() -> None:
    """The parts are alike here; parts that differ count their own positives, so that gradients differ a little."""
    torch.manual_seed(0)
    recipe = preset(1)
    model = recipe.build(("green", "red"))
    image = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8).expand(4, -1, -1, -1)
    targets = [Targets(torch.tensor([[4.0, 4, 40, 44]]), torch.tensor([1]))] * 4
    gradients, losses = [], []
    for num_parts in (1, 2):
        model.zero_grad()
        losses.append(add_gradients(model, model, (image, targets), replace(recipe.optim, accumulate=num_parts), "cpu"))
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    whole, parts = (torch.cat([gradient.flatten() for gradient in own.values()]) for own in gradients)
    assert (parts - whole).norm() < 0.1 * whole.norm()


def test_more_parts_than_images_are_refused(voc_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="batches of 2 cannot be shared by 1 processes in 3 parts"):
        run(voc_tree, tmp_path, preset(1, "optim.accumulate=3"))


@pytest.mark.parametrize("settings", [("optim.batch_size=1",), ("optim.batch_size=2", "optim.accumulate=2")])
def test_batch_norm_of_one_value_is_refused(settings: tuple[str, ...], voc_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"use at least 2 images .* model\.input_size=128"):
        run(voc_tree, tmp_path / "run", preset(1, *settings))


def test_two_processes_of_torchrun_train_like_one_from_a_file_of_weights(voc_tree: Path, tmp_path: Path) -> None:
    """Batches of three images; the frozen statistics of the file count in both processes."""
    init = write_init(tmp_path / "init.pt")
    recipe = (
        *("model.backbone_norm=frozen", "model.channels=16", "model.tower_depth=1", f"init={init}"),
        *("optim.batch_size=3", "optim.lr=0.001", "optim.warmup_epochs=0", "optim.epochs=1"),
    )
    run(voc_tree, tmp_path / "one", override(find_preset("retinanet-320-mobilenet"), [*SETTINGS, *recipe]))
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "models", "train"),
        *("retinanet-320-mobilenet", "--data", str(voc_tree), "--split", "train"),
        *("--out", str(tmp_path / "two"), "--workers", "0", "--device", "cpu"),
        *(part for setting in (*SETTINGS, *recipe) for part in ("--set", setting)),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert done.stdout.count("voc/train: 6 images") == 1  # only the first process prints
    [one], [two] = log_of(tmp_path / "one"), log_of(tmp_path / "two")
    assert two["losses"] == pytest.approx(one["losses"], abs=2e-5)
    a, b = (read_checkpoint(tmp_path / name / "last.pt")["model"] for name in ("one", "two"))
    for key in a:
        torch.testing.assert_close(b[key], a[key], rtol=1e-3, atol=1e-5)


def test_a_killed_run_leaves_a_checkpoint_to_resume_from(voc_tree: Path, tmp_path: Path) -> None:
    arguments = [
        *("train", "passd-320-mobilenet", "--data", str(voc_tree), "--split", "train", "--out", str(tmp_path / "run")),
        *("--epochs", "100000", "--workers", "0", "--device", "cpu"),
        *(part for setting in SETTINGS for part in ("--set", setting)),
    ]
    process = subprocess.Popen([sys.executable, "-m", "models", *arguments], stderr=subprocess.PIPE, text=True)
    deadline = threading.Timer(120, process.kill)
    deadline.start()
    assert process.stderr is not None
    progress = ""
    while "epoch 3/100000" not in progress:  # the second epoch is complete
        progress = (
            process.stderr.readline() if process.poll() is None else pytest.fail("the run ended before it was killed")
        )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline.cancel()
    assert process.returncode == -signal.SIGKILL
    epoch = read_checkpoint(tmp_path / "run" / "last.pt")["epoch"]
    assert epoch >= 2
    run(voc_tree, tmp_path / "run", preset(epoch + 1), resume=True)
    assert read_checkpoint(tmp_path / "run" / "last.pt")["epoch"] == epoch + 1
    assert [line["epoch"] for line in log_of(tmp_path / "run")] == list(range(1, epoch + 2))
