"""`torch.compile`, with an eager fallback."""

import shutil
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.exc import BackendCompilerFailed

SIMD_BITS = {"AVX512": 512, "AVX2": 256}
"""Of the vector instructions that PyTorch uses here."""


def compiled_or_eager(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function, compiled as a whole where a compiler is there and works; otherwise as it is.

    Note: the compiler's cache tells AVX2 from AVX-512 only by this option. Code made for the other, because somebody
    set ATEN_CPU_CAPABILITY once, writes beyond its buffers.
    """
    if not (shutil.which("c++") or shutil.which("g++")):
        return function
    bits = SIMD_BITS.get(torch.backends.cpu.get_cpu_capability())
    options: dict[str, Any] = {"cpp.simdlen": bits} if bits else {}
    made = torch.compile(function, fullgraph=True, dynamic=False, options=options)
    chosen: list[Callable[..., Tensor]] = []

    def call(*args: object) -> Tensor:
        if chosen:
            return chosen[0](*args)
        try:
            result: Tensor = made(*args)
        except BackendCompilerFailed as error:  # for one, a cache that a killed compiler left half written
            warnings.warn(f"the learner runs uncompiled: {str(error).splitlines()[0]}", RuntimeWarning, stacklevel=2)
            chosen.append(function)
            return function(*args)
        chosen.append(made)
        return result

    return call
