"""What the README, the documents, the Makefile and the hooks promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDERS = ("comparison", "deploy", "docker", "docs", "examples", "export", "models", "service", "singleshot", "tests")
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
)


@pytest.mark.parametrize("package", ["models", "export", "service"])
def test_every_command_explains_itself_with_an_example(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", package, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    usage, _, explanation = done.stdout.partition("\n\n")
    assert f"python -m {package}" in usage
    assert f"python -m {package} " in explanation


def test_server_runs_without_torch_and_onnx() -> None:
    code = "import sys, service.__main__, service.api.app; assert not {'torch', 'onnx'} & set(sys.modules), 'imported'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_hooks_before_a_commit_run_what_make_check_runs() -> None:
    (recipe,) = re.findall(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    checks = [line.strip().removeprefix("$(BIN)/").removesuffix(" .") for line in recipe.splitlines()]
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [
        hook["entry"].removeprefix(".venv/bin/")
        for repository in configuration["repos"]
        for hook in repository["hooks"]
    ]
    assert hooks == checks


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_and_modules_that_a_document_names_exist(document: Path) -> None:
    text = document.read_text()
    named: dict[str, list[str]] = {}  # as it is in the text -> the patterns of which one must match
    for path in re.findall(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./-]*[\w/]", text):
        named[path] = [path]
    for module in re.findall(rf"-m ((?:{'|'.join(FOLDERS)})(?:\.\w+)*)", text):
        named[module] = [f"{module.replace('.', '/')}{suffix}" for suffix in (".py", "/__main__.py")]
    for name in re.findall(r"`(\w+\.(?:cu|js|py|sh))`", text):
        named[name] = [f"{folder}/**/{name}" for folder in FOLDERS]
    missing = [name for name, patterns in named.items() if not any(any(ROOT.glob(pattern)) for pattern in patterns)]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_to_files_and_headings(document: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if target.startswith(("http:", "https:")):
            continue
        name, _, heading = target.partition("#")
        path = document.parent / name if name else document
        if not path.exists() or (heading and heading not in headings(path)):
            broken.append(target)
    assert broken == []


def headings(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    lines = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}
