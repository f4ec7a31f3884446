"""The number format of the factors of the learner's large matrix products; everything else of it is float32.

bfloat16 has the range of float32 and 8 bits of its 24; its products are added up in float32. Where the processor has
instructions for it they take half the time (`leash bench sac`), elsewhere several times as long.
"""

from collections.abc import Mapping

import torch
from msgspec.structs import replace

from leash_robot.policies.rl.sac.config import Precision, SacConfig


def fastest() -> Precision:
    """The format that this machine multiplies fastest, by the instructions that its processor reports.

    Note: not by a measurement. On a busy machine that would sometimes decide otherwise, and the same seed would not
    give the same training.
    """
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    # Note: PyTorch before 2.10 does not report them.
    able: Mapping[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"


def resolve(config: SacConfig, earlier: Precision | None = None) -> SacConfig:
    """The configuration with `auto` decided: by `earlier`, the precision of a resumed training, or by `fastest`."""
    precision = earlier or config.precision
    return replace(config, precision=fastest() if precision == "auto" else precision)


def dtype_of(config: SacConfig) -> torch.dtype:
    """The type of the factors."""
    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32
