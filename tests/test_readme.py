"""The commands of the README and of the documents: those that can run here are run, the others are parsed.

`python -m tests.readme` runs the README from top to bottom in a fresh clone.
"""

import ast
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from service.settings import Settings
from tests.readme.blocks import PROGRAMS, Block, blocks_of, is_command, simple_commands
from tests.readme.newcomer import ROOT, write_programs, write_tree
from tests.readme.parsing import faults_of, module_and_arguments
from tests.readme.session import LONG, NOT_RUN, Session
from tests.readme.substitutes import INSTALLED, PORTS, QUICK

README = ROOT / "README.md"
DOCUMENTS = (
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)
BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]
OUTPUT = ("json", "bibtex")
INLINE = re.compile(r"`(?:\.venv/bin/)?((?:python -m|singleshot) (?!VERB)[^`…]+)`")
INCOMPLETE = ("required", "expected one argument", "a verb is missing")  # what argparse says of a part of a command

LATER_PROGRAMS = {"[", "exit", "head", "jq", "sh", "sort", "source", "tail", "test"}  # in a line after its first one


def programs() -> list[tuple[str, list[str]]]:
    """The place of each program that a block starts, and its words."""
    return [(block.place, words) for block in BLOCKS for text in block.commands for words in simple_commands(text)]


def test_the_readme_works_from_top_to_bottom(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "clone")
    session = Session(folder, write_programs(tmp_path / "bin"), {**INSTALLED, **PORTS}, QUICK)
    ran = [command for command, _ in session.run(blocks_of(README), long=False)]
    assert any(command.startswith("make serve") for command in ran)
    assert any(command.startswith("python -c") for command in ran)


@pytest.mark.parametrize("block", blocks_of(README), ids=lambda block: block.place)
def test_a_block_of_the_readme_is_run_or_says_why_not(block: Block) -> None:
    if block.mark:
        assert block.mark.startswith((NOT_RUN, LONG))
    if block.language in (*OUTPUT, "python"):
        return
    assert block.language == ""
    assert block.commands
    lines = block.text.replace("\\\n", " ").splitlines()
    assert [line for line in lines if not is_command(line)] == []


def test_the_commands_of_the_documents_are_accepted() -> None:
    """Those of the blocks must be whole; those in the sentences may lack arguments that are required."""
    whole = [words for _, line in programs() if (words := module_and_arguments(line))]
    texts = [text for document in DOCUMENTS for text in INLINE.findall(document.read_text().replace("\n", " "))]
    parts = [words for text in texts for line in simple_commands(text) if (words := module_and_arguments(line))]
    faults = faults_of([words for words in [*whole, *parts] if "..." not in words])
    allowed = {" ".join(words) for words in parts}
    assert {
        command: fault
        for command, fault in faults.items()
        if not (command in allowed and any(words in fault for words in INCOMPLETE))
    } == {}


def test_targets_of_make_in_the_documents_exist() -> None:
    (targets,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {word for _, words in programs() if words[0] == "make" for word in words[1:] if "=" not in word}
    assert named <= set(targets.split())
    assert "serve" in named


def test_extras_that_the_documents_install_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = [names for document in DOCUMENTS for names in re.findall(r"'\.\[([\w,]+)\]", document.read_text())]
    assert {name for names in named for name in names.split(",")} <= extras.keys()
    assert named


def test_profiles_and_services_of_compose_in_the_documents_exist() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", [])}
    lines = [words for _, words in programs() if words[:2] == ["docker", "compose"]]
    named = {after for words in lines for word, after in pairwise(words) if word == "--profile"}
    scaled = {after.partition("=")[0] for words in lines for word, after in pairwise(words) if word == "--scale"}
    assert named <= profiles
    assert scaled <= services.keys()
    assert named


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_that_a_document_names_exist(document: Path) -> None:
    names = {name.lower() for name in re.findall(r"SINGLESHOT_([A-Z_]+[A-Z])\b", document.read_text())}
    others = {"service_host", "prot"}  # a variable of Kubernetes, and one that is misspelt on purpose
    assert names - others <= Settings.model_fields.keys()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_programs_in_the_blocks_of_a_document_are_known(document: Path) -> None:
    words = {line[0] for block in blocks_of(document) for text in block.commands for line in simple_commands(text)}
    assert {word for word in words if not word.endswith(".sh")} <= PROGRAMS | LATER_PROGRAMS


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "python"], ids=lambda block: block.place
)
def test_python_in_the_documents_is_python(block: Block) -> None:
    if ">>>" not in block.text:
        compile(block.text, block.place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
