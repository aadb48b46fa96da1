"""The fenced blocks of a document, and the commands in them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?:(?P<indent> *)<!-- (?P<mark>.+?) -->\n)?(?P<space> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=space)```$",
    re.MULTILINE | re.DOTALL,
)
PROGRAMS = {  # what the first word of a line may be; other lines of a block without a language are output
    *("python", "singleshot", "make", "pip", "torchrun", "ray"),
    *("cd", "curl", "docker", "git", "helm", "kubectl", "mkdir", "mv", "cp", "tar", "unzip", "export", "pre-commit"),
}
ASSIGNMENT = re.compile(r"[A-Z_]+=")
SEPARATORS = {"&&", "||", "|", ";", "&"}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language ("" for commands and output), its text, and the comment above it."""

    document: Path
    line: int
    language: str
    text: str
    mark: str

    @property
    def place(self) -> str:
        return f"{self.document.name}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a block without a language, a command that goes on in the next line as one."""
        if self.language not in ("", "sh", "bash"):
            return []
        commands: list[str] = []
        for line in self.text.replace("\\\n", " ").splitlines():
            if commands and not is_whole(commands[-1]):
                commands[-1] += f"\n{line}"
            elif is_command(line):
                commands.append(line.strip())
        return commands


def blocks_of(document: Path) -> list[Block]:
    text = document.read_text()
    return [
        Block(document, text.count("\n", 0, found.start()) + 1, found["language"], found["text"], found["mark"] or "")
        for found in FENCE.finditer(text)
    ]


def is_whole(command: str) -> bool:
    """Whether each quotation in it is closed."""
    try:
        simple_commands(command)
    except ValueError:
        return False
    return True


def is_command(line: str) -> bool:
    words = line.split()
    while words and ASSIGNMENT.match(words[0]):
        words = words[1:]
    return bool(words) and (words[0] in PROGRAMS or words[0].endswith(".sh"))


def simple_commands(command: str) -> list[list[str]]:
    """The words of each program that a command starts, without comments, assignments and redirections."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    programs: list[list[str]] = [[]]
    for word in lexer:
        if word in SEPARATORS:
            programs.append([])
        elif word in (">", ">>", "<"):
            next(lexer, None)
        elif programs[-1] or not ASSIGNMENT.match(word):
            programs[-1].append(word)
    return [words for words in programs if words]
