"""The lines that a run prints before its first step."""

from models.optim.optimizer import OptimConfig
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.training.plan import plan, rates, start


def test_the_plan_of_a_preset_on_few_images() -> None:
    preset = override(find_preset("retinanet-320-resnet50"), ["optim.precision=fp32"])
    assert plan(preset, 296, "cpu", 0).splitlines() == [
        "steps: 18 an epoch, of 16 of the 296 images each; 216 in 12 epochs",
        "learning rate: from 0.00333 to 0.01 in 22 steps (1.2 epochs), 0.001 after epoch 8, 0.0001 after epoch 11",
        "computes in fp32 on cpu",
        "the base network starts from imagenet",
    ]


def test_the_initial_weights_are_named() -> None:
    preset = find_preset("passd-320-vgg16bn")
    assert start(preset) == "the base network starts from random weights"
    assert start(override(preset, ["init_from=mine.pt"])) == "the model starts from mine.pt"


def test_a_resumed_run_does_not_start_from_the_initial_weights() -> None:
    assert plan(find_preset("passd-320-vgg16"), 5, "cpu", 3).splitlines()[-1] == "continues after epoch 3"


def test_the_start_from_a_model_and_the_frozen_epochs_are_named() -> None:
    preset = override(find_preset("passd-320-vgg16"), ["init_from=old/best.pt", "optim.freeze_backbone_epochs=4"])
    frozen = "its pretrained layers do not change before epoch 5"
    assert plan(preset, 5, "cpu", 0).splitlines()[-2:] == ["the model starts from old/best.pt", frozen]
    assert plan(preset, 5, "cpu", 3).splitlines()[-2:] == ["continues after epoch 3", frozen]
    assert plan(preset, 5, "cpu", 4).splitlines()[-1] == "continues after epoch 4"


def test_fewer_images_than_a_batch_are_one_step() -> None:
    assert plan(find_preset("passd-320-vgg16"), 5, "cpu", 0).startswith("steps: 1 an epoch, of 5 of the 5 images each")


def test_a_drop_that_is_never_reached_is_named() -> None:
    optim = OptimConfig(epochs=160, warmup_epochs=0)
    assert rates(optim, 10) == (
        "0.004, 0.0004 after epoch 150, and none of the later drops (optim.steps: 200), because the run ends before"
    )


def test_a_cosine_has_no_drops() -> None:
    optim = OptimConfig(epochs=50, warmup_epochs=0.5, schedule="cosine", lr=2e-3)
    assert rates(optim, 20) == "from 1e-06 to 0.002 in 10 steps (0.5 epochs), then along a cosine to 0"


def test_layers_that_are_frozen_to_the_end_are_not_said_to_change_later() -> None:
    preset = override(find_preset("passd-320-vgg16"), ["optim.freeze_backbone_epochs=4", "optim.epochs=3"])
    assert plan(preset, 5, "cpu", 0).splitlines()[-1] == "its pretrained layers do not change in this run"
