"""Functions of tensors as machine code, where that can be had."""

import shutil
import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch._dynamo.exc import BackendCompilerFailed


def machine_code(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same function as machine code, where a compiler is there and works; otherwise as it is."""
    if not (shutil.which("c++") or shutil.which("g++")):
        return function
    machine = torch.compile(function, fullgraph=True, dynamic=False)
    chosen: list[Callable[..., Tensor]] = []

    def call(*args: object) -> Tensor:
        if chosen:
            return chosen[0](*args)
        try:
            made: Tensor = machine(*args)
        except BackendCompilerFailed as error:  # for one, a cache that a killed compiler left half written
            warnings.warn(f"the learner runs uncompiled: {str(error).splitlines()[0]}", RuntimeWarning, stacklevel=2)
            chosen.append(function)
            return function(*args)
        chosen.append(machine)
        return made

    return call
