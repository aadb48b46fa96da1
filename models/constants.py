"""Tensors that depend on shapes and settings only: they are built once, not at each step.

A tensor that is built from numbers of Python makes the CPU wait for the GPU, and the build itself takes milliseconds.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")

MAX_KEPT = 64  # sets of arguments for each function: training at several scales has dozens


def built_once(build: Callable[P, T]) -> Callable[P, T]:
    """Decorates a function of hashable arguments that builds tensors; nobody may change the tensors.

    Under `torch.export` each call builds them anew, because the tensors of a trace are no real ones. They are never
    inference tensors, which training could not use. Each default dtype has its own.
    """

    @functools.lru_cache(MAX_KEPT)
    def keep(_: torch.dtype, /, *arguments: P.args, **named: P.kwargs) -> T:
        with torch.inference_mode(mode=False):
            return build(*arguments, **named)

    @functools.wraps(build)
    def constant(*arguments: P.args, **named: P.kwargs) -> T:
        if torch.compiler.is_compiling():
            return build(*arguments, **named)
        return keep(torch.get_default_dtype(), *arguments, **named)  # type: ignore[arg-type]

    return constant
