"""Which numbers the large matrix products of the learner are made of; everything else of it is float32.

bfloat16 has the range of float32 and 8 bits of its 24; products of it are added up in float32. Where the processor has
instructions for it they take half the time (`leash bench sac`), elsewhere several times as long.
"""

from collections.abc import Mapping

import torch
from msgspec.structs import replace

from leash_robot.policies.rl.sac.config import Precision, SacConfig


def quick() -> Precision:
    """What this machine multiplies quickest, by what its processor says that it can do.

    Note: not by a measurement. On a busy machine that would now and then decide otherwise, and a training would not be
    the same again from the same seed.
    """
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    # Note: releases before 2.10 cannot say.
    able: Mapping[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"


def settled(config: SacConfig, before: Precision | None = None) -> SacConfig:
    """The configuration with a precision that is decided: the one of a training that goes on (`before`), else its own.

    `auto` is decided by `quick`.
    """
    wanted = before or config.precision
    return replace(config, precision=quick() if wanted == "auto" else wanted)


def dtype_of(config: SacConfig) -> torch.dtype:
    """The type of the factors."""
    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32
