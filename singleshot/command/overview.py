"""What `singleshot --help` prints, and the answer to a word that is no verb."""

from singleshot.command.verbs import GROUPS, VERBS

HEAD = """\
usage: singleshot VERB ...

Train, export and serve single-shot object detectors. `singleshot VERB --help` describes a verb.
"""
TAIL = """\
shells:
  completion  print the completion of bash, zsh or fish

options:
  -h, --help  show this text and exit
  --version   show the versions and exit

Completion, for the start-up file of your shell:
  eval "$(singleshot completion bash)"        in ~/.bashrc; for zsh in ~/.zshrc, after compinit
  singleshot completion fish | source         in ~/.config/fish/config.fish

Training and export need more packages than serving: `make develop`, or `pip install '.[cpu,train]'`. Each verb is a
module too, such as `python -m service` for `singleshot serve`; `python -m singleshot` is this command.

examples:
  singleshot serve
  singleshot detect photos --out found.jsonl
  singleshot train passd-320-mobilenet-finetune --data MINE --split train --out runs/mine
  singleshot evaluate runs/mine/best.pt --data MINE --split test
  singleshot export build runs/mine/best.pt --out bundles/mine
  singleshot serve --bundle bundles/mine --port 8123
"""
VERBS_OF_EXPORT = ("build", "engine", "parity", "quantize", "wrap")
ELSEWHERE = {name: f"singleshot export {name}" for name in VERBS_OF_EXPORT} | {"comparison": "python -m comparison"}


def overview() -> str:
    """All verbs, a line for each."""
    groups = [
        "\n".join([f"{title}:", *(f"  {verb.name:10}  {verb.help}" for verb in verbs)])
        for title, verbs in GROUPS.items()
    ]
    return "\n".join([HEAD, "\n\n".join(groups), "", TAIL])


def correction(word: str) -> str:
    """One sentence about a word that is no verb: what was probably meant, and where the verbs are listed."""
    from difflib import get_close_matches  # only a mistake pays for it

    known = {name: f"singleshot {name}" for name in VERBS} | ELSEWHERE
    if word.startswith("-"):
        return f"the verb comes first, as in `singleshot serve {word}`; `singleshot --help` lists the verbs"
    close = get_close_matches(word, known, 1)
    question = f"; did you mean `{known[close[0]]}`?" if close else "."
    return f"{word!r} is no verb{question} `singleshot --help` lists the verbs"
