"""SAC updates per CPU-second of two revisions, interleaved.

    python benchmarks/learning/sac_updates.py --before REVISION

One process for each revision, plan and precision compiles its learner once; then they take turns, a block of updates
each, and the medians over the blocks are compared. Time is a process's own CPU time, so a busy machine distorts little.
`--isa avx2` measures a processor without AVX-512: PyTorch, oneDNN and MKL are told to use AVX2 alone.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import IO, Any, cast

ROOT = Path(__file__).resolve().parents[2]
PLANS = ("forward", "walk")
PRECISIONS = ("float32", "bfloat16")
BLOCK = 40
"""Updates before the next process has its turn."""
OBS, PRIVILEGED, ACTIONS = 97, 43, 12
"""Sizes that both plans have on Pupper."""
ISA = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


def main() -> None:
    """Measure and print a table."""
    options = parse()
    if options.worker:
        work(Path(options.worker), options.plan, options.precision, compiled=not options.eager)
        return
    with tempfile.TemporaryDirectory() as folder:
        unpack(options.before, Path(folder))
        options.cache = options.cache or Path(folder) / "cache"
        roots = {"before": Path(folder), "now": ROOT}
        for plan in options.plans:
            for precision in options.precisions:
                row = compare(roots, plan, precision, options)
                print(json.dumps(row), flush=True)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", default="HEAD", help="revision to compare with")
    parser.add_argument("--rounds", type=int, default=15, help="blocks of each process")
    parser.add_argument("--plans", nargs="+", default=PLANS, choices=PLANS)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--isa", choices=["native", "avx2"], default="native")
    parser.add_argument("--eager", action="store_true", help="without the compiler")
    parser.add_argument("--cache", type=Path, help="folder of compiled code to use again; else all is compiled anew")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--plan", help=argparse.SUPPRESS)
    parser.add_argument("--precision", help=argparse.SUPPRESS)
    return parser.parse_args()


def unpack(revision: str, folder: Path) -> None:
    """Write the tree of a revision of this repository into a folder."""
    tree = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
        archive.extractall(folder, filter="data")


def compare(roots: dict[str, Path], plan: str, precision: str, options: argparse.Namespace) -> dict[str, Any]:
    """Medians of updates per CPU-second of each revision, their ratio, and the CPU seconds until the first update."""
    workers = {name: start(root, plan, precision, options) for name, root in roots.items()}
    try:
        ready = {name: answer(worker) for name, worker in workers.items()}
        rates: dict[str, list[float]] = {name: [] for name in workers}
        for _ in range(options.rounds):
            for name, worker in workers.items():
                rates[name].append(BLOCK / ask(worker))
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    medians = {name: statistics.median(each) for name, each in rates.items()}
    ratio = statistics.median(now / before for now, before in zip(rates["now"], rates["before"], strict=True))
    row: dict[str, Any] = {"plan": plan, "precision": precision, "isa": options.isa, "compiled": not options.eager}
    row |= {f"{name}_updates_per_s": round(median, 1) for name, median in medians.items()}
    row |= {"ratio": round(ratio, 3)}
    return row | {f"{name}_start_s": round(seconds, 1) for name, seconds in ready.items()}


def start(root: Path, plan: str, precision: str, options: argparse.Namespace) -> "subprocess.Popen[str]":
    """A process that compiles the learner of this tree and then waits to be asked."""
    environment = {**os.environ, "PYTHONPATH": str(root / ".import"), "OMP_NUM_THREADS": "1"}
    # Note: the compiler's cache does not tell AVX2 from AVX-512; code from the other one corrupts memory.
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(options.cache / options.isa)
    if options.isa == "avx2":
        environment |= ISA
    command = [sys.executable, __file__, "--worker", str(root), "--plan", plan, "--precision", precision]
    command += ["--eager"] if options.eager else []
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(worker: "subprocess.Popen[str]") -> float:
    """CPU seconds of one block."""
    pipe = cast("IO[str]", worker.stdin)
    pipe.write("go\n")
    pipe.flush()
    return answer(worker)


def answer(worker: "subprocess.Popen[str]") -> float:
    """The next number that a process prints."""
    line = cast("IO[str]", worker.stdout).readline()
    if not line:
        raise SystemExit(f"a worker ended with {worker.wait()}")
    return float(line)


def work(root: Path, plan: str, precision: str, *, compiled: bool) -> None:
    """Print the CPU seconds that compiling took, then those of a block of updates for each line of input."""
    import msgspec
    import torch

    from leash_robot.policies.rl.sac.config import SacConfig, Sizes
    from leash_robot.policies.rl.sac.sac import Batch, Learner

    settings = msgspec.yaml.decode((root / f"launch/configs/pupper/{plan}.yaml").read_bytes())["sac"]
    config = msgspec.convert({**settings, "warm_up": 0, "precision": precision}, SacConfig)
    learner = Learner(config, Sizes(OBS, PRIVILEGED, ACTIONS), compiled=compiled)
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(256, *shape, generator=generator)

    action = torch.tanh(normal(ACTIONS))
    here, after = (normal(OBS), normal(PRIVILEGED)), (normal(OBS), normal(PRIVILEGED))
    flat = torch.full((256,), 0.94)
    batch = Batch(*here, action, normal(), flat, *after, flat, action)
    began = time.process_time()
    for _ in range(4):
        learner.update(batch)
    print(time.process_time() - began, flush=True)
    for _ in sys.stdin:
        began = time.process_time()
        for _ in range(BLOCK):
            learner.update(batch)
        print(time.process_time() - began, flush=True)


if __name__ == "__main__":
    main()
