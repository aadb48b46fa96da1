"""The learning rate over a training run: PASSD §6.1, §7.1."""

import pytest

from models.optim.optimizer import OptimConfig
from models.optim.schedule import learning_rate

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
    assert learning_rate(optim, epoch) == pytest.approx(rate, rel=1e-9, abs=1e-15)


def test_without_a_warm_up_the_initial_rate_is_the_full_one() -> None:
    assert learning_rate(OptimConfig(warmup_epochs=0), 0) == 4e-3


def test_a_run_that_ends_with_the_warm_up_has_a_finite_rate() -> None:
    assert learning_rate(OptimConfig(epochs=2, warmup_epochs=2, schedule="cosine"), 2) == 4e-3
