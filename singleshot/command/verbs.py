"""The verbs of the command, and the modules behind them."""

from dataclasses import dataclass

SHELLS = ("bash", "zsh", "fish")  # that `singleshot completion` knows
CHECKPOINTS = (".pt", ".pth")


@dataclass(frozen=True)
class Verb:
    """`singleshot NAME ARGUMENTS...` is `python -m MODULE ARGUMENTS...`, or `python -m MODULE NAME ARGUMENTS...`."""

    name: str
    help: str
    module: str
    takes_name: bool = False
    command_line: str = "__main__"  # the submodule with parser(), which is light

    def arguments(self, given: list[str]) -> list[str]:
        """The arguments of the module."""
        return [self.name, *given] if self.takes_name else given


GROUPS = {
    "serving": (
        Verb("serve", "serve models over HTTP, with a page to try them", "service", command_line="command_line"),
        Verb("detect", "detect in many pictures, without a server", "service.detect", command_line="command_line"),
        Verb("fetch", "copy a bundle from s3://, gs://, hf:// or https://", "service.fetch"),
        Verb("benchmark", "measure a running server under load", "service.benchmark"),
    ),
    "your own data": (
        Verb("train", "train a detector on a data set", "models", takes_name=True),
        Verb("evaluate", "measure the AP of a checkpoint, a bundle or a running server", "models", takes_name=True),
        Verb("presets", "list the recipes for training", "models", takes_name=True),
        Verb("describe", "show the parts, the size and the settings of a preset", "models", takes_name=True),
        Verb("analyse", "make the papers' ablations and figures", "models", takes_name=True),
    ),
    "bundles, which a server loads": (
        Verb("export", "make a bundle of a checkpoint or an ONNX detector; add int8 or an engine", "export"),
    ),
}
VERBS = {verb.name: verb for verbs in GROUPS.values() for verb in verbs}
EVALUATE_BUNDLE = Verb("evaluate", VERBS["evaluate"].help, "export", takes_name=True)


def verbs_for(name: str, given: list[str]) -> list[Verb]:
    """What the verb `name` stands for: for `evaluate`, the names of the files decide, and its help is of both kinds."""
    verb = VERBS[name]
    if name != "evaluate" or any(word.endswith(CHECKPOINTS) for word in given):
        return [verb]
    return [verb, EVALUATE_BUNDLE] if {"-h", "--help"} & {*given} else [EVALUATE_BUNDLE]
