"""The verbs are those of the modules, and `evaluate` chooses between two."""

import argparse
from importlib import import_module

import pytest

from export.__main__ import parser as export_parser
from models.__main__ import parser as models_parser
from service.command_names import VERBS as NAMES
from singleshot.command.overview import VERBS_OF_EXPORT
from singleshot.command.verbs import EVALUATE_BUNDLE, VERBS, verbs_for


def verbs_of(parser: argparse.ArgumentParser) -> set[str]:
    """The verbs of a module's parser."""
    (action,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {*action.choices}


def test_every_verb_of_models_is_a_verb_of_the_command() -> None:
    assert {verb.name for verb in VERBS.values() if verb.module == "models"} == verbs_of(models_parser())


def test_the_verbs_of_export_are_suggested_as_such() -> None:
    assert verbs_of(export_parser()) - {"evaluate"} <= {*VERBS_OF_EXPORT}


@pytest.mark.parametrize("name", VERBS)
def test_the_name_of_the_module_in_messages_becomes_the_verb(name: str) -> None:
    verb = VERBS[name]
    words = NAMES[f"python -m {verb.module}"].split()
    assert ([*words, name] if verb.takes_name else words) == ["singleshot", name]


@pytest.mark.parametrize("verb", [*VERBS.values(), EVALUATE_BUNDLE], ids=lambda verb: f"{verb.name} {verb.module}")
def test_each_verb_has_a_parser_for_its_completion(verb: object) -> None:
    module = import_module(f"{verb.module}.{verb.command_line}")  # type: ignore[attr-defined]
    assert isinstance(module.parser(), argparse.ArgumentParser)


@pytest.mark.parametrize(
    ("given", "modules"),
    [
        ("runs/mine/best.pt --data D", ["models"]),
        ("--data D --split test runs/mine/last.pth", ["models"]),
        ("bundles/mine --data D", ["export"]),
        ("https://host:8000/ --data D", ["export"]),
        ("--help", ["models", "export"]),
        ("best.pt -h", ["models"]),
        ("", ["export"]),
    ],
)
def test_evaluate_measures_a_checkpoint_with_models_and_anything_else_with_export(
    given: str, modules: list[str]
) -> None:
    verbs = verbs_for("evaluate", given.split())
    assert [verb.module for verb in verbs] == modules
    assert {verb.arguments(["X"])[0] for verb in verbs} == {"evaluate"}
