"""The report as Markdown, in the form of docs/results.md."""

from collections.abc import Mapping, Sequence

from comparison.gpu.run import Step
from comparison.gpu.step import Outcome


def to_markdown(machine: str, command: str, steps: Sequence[Step], outcomes: Mapping[str, Outcome]) -> str:
    """The machine, a table of the steps, then the tables of each step; a step without an outcome is left out."""
    lines = ["```", command, "```", "", machine, ""]
    lines += ["| step | outcome | figures | seconds |", "| --- | --- | --- | ---: |"]
    for step in steps:
        if step.name in outcomes:
            outcome = outcomes[step.name]
            lines.append(row([step.name, outcome.label, "; ".join(outcome.figures), f"{outcome.seconds:.0f}"]))
    for step in steps:
        tables = outcomes[step.name].tables if step.name in outcomes else {}
        for caption, rows in tables.items():
            lines += ["", f"**{step.title[:1].upper()}{step.title[1:]}.** {caption}", "", row(list(rows[0]))]
            lines.append(row(["---"] * len(rows[0])))
            lines += [row(list(cells.values())) for cells in rows]
    return "\n".join(lines) + "\n"


def row(cells: Sequence[str]) -> str:
    """One row; a vertical bar in a cell would end the cell, and a line break the row."""
    texts = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(texts)} |"
