"""The learning rate over a training run: PASSD §6.1, §7.1."""

import pytest

from models.optim.optimizer import OptimConfig
from models.optim.schedule import learning_rate, warmup_end
from models.presets.catalogue import PRESETS, find_preset

VOC = OptimConfig()
COCO = OptimConfig(lr=2e-3, epochs=120, steps=(80, 100))
COSINE = OptimConfig(lr=1e-3, epochs=10, warmup_epochs=2, schedule="cosine")


@pytest.mark.parametrize(
    ("optim", "epoch", "rate"),
    [
        (VOC, 0, 1e-6),
        (VOC, 2.5, 0.0020005),
        (COCO, 2.5, 0.0010005),
        (VOC, 5, 4e-3),
        (COCO, 5, 2e-3),
        (VOC, 149.99, 4e-3),
        (VOC, 150, 4e-4),
        (VOC, 200, 4e-5),
        (VOC, 249.99, 4e-5),
        (COCO, 80, 2e-4),
        (COCO, 100, 2e-5),
        (COSINE, 1, (1e-6 + 1e-3) / 2),
        (COSINE, 2, 1e-3),
        (COSINE, 6, 5e-4),
        (COSINE, 10, 0),
    ],
)
def test_the_rate_at_an_epoch_is_the_expected_one(optim: OptimConfig, epoch: float, rate: float) -> None:
    assert learning_rate(optim, round(100 * epoch), 100) == pytest.approx(rate, rel=1e-9, abs=1e-15)


def test_without_a_warm_up_the_initial_rate_is_the_full_one() -> None:
    assert learning_rate(OptimConfig(warmup_epochs=0), 0, 10) == 4e-3


def test_a_run_that_ends_with_the_warm_up_has_a_finite_rate() -> None:
    assert learning_rate(OptimConfig(epochs=2, warmup_epochs=2, schedule="cosine"), 20, 10) == 4e-3


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.optim.schedule == "step"])
@pytest.mark.parametrize("epochs", [1, 7, 30, 1000])
def test_a_run_of_any_length_ends_with_the_last_rate_of_its_preset(name: str, epochs: int) -> None:
    optim = find_preset(name).optim
    last = learning_rate(optim, 100 * optim.epochs - 1, 100)
    assert last == pytest.approx(optim.lr / 100)
    assert learning_rate(optim.with_epochs(epochs), 100 * epochs - 1, 100) == last


@pytest.mark.parametrize(
    ("optim", "epochs", "steps"),
    [(VOC, 30, (18, 24)), (VOC, 5, (3, 4)), (COCO, 60, (40, 50)), (OptimConfig(epochs=12, steps=(8, 11)), 6, (4, 5.5))],
)
def test_steps_keep_their_shares_of_a_run(optim: OptimConfig, epochs: int, steps: tuple[float, ...]) -> None:
    assert optim.with_epochs(epochs).steps == steps
    assert optim.with_epochs(optim.epochs) == optim


def test_a_warm_up_in_epochs_is_at_most_a_tenth_of_a_shorter_run() -> None:
    assert [VOC.with_epochs(epochs).warmup_epochs for epochs in (500, 100, 50, 30)] == [5, 5, 5, 3]


def test_detectrons_warm_up_has_500_steps_in_a_long_run_and_a_tenth_of_a_short_one() -> None:
    """FSAF §3.4: 12.2 epochs of 118,287 images in batches of 16; then of 296 images, which make 18 steps an epoch."""
    optim = find_preset("retinanet-resnet50").optim
    assert learning_rate(optim, 0, 7392) == pytest.approx(0.01 / 3)
    assert learning_rate(optim, 250, 7392) == pytest.approx((0.01 + 0.01 / 3) / 2)
    assert learning_rate(optim, 499, 7392) < learning_rate(optim, 500, 7392) == 0.01
    assert warmup_end(optim, 18) == pytest.approx(1.2)
