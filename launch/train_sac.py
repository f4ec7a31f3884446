"""`leash train sac`: learn to walk in simulation."""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec.structs import replace
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from launch.output import console
from launch.sac_collector import CollectJob, Told, collect
from launch.sac_env import columns, mirrors, sizes
from launch.sac_judge import Score
from launch.sac_plan import SacPlan
from policies.mailbox import Mailbox
from policies.replay import Replay
from policies.sac_actor import flattened
from policies.sac_process import LearnJob, learn
from robot.errors import PolicyError
from robot.spec import load_spec


def free_run(plan: SacPlan, out: Path, collectors: int) -> dict[str, Any]:
    spec = load_spec()
    width = sizes(plan, spec)
    context = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        replays = [
            stack.enter_context(Replay(capacity=plan.capacity // collectors, columns=columns(plan, spec)))
            for _ in range(collectors)
        ]
        from policies.sac_actor import NumpyActor

        demos = plan.demonstrations
        shown = [
            stack.enter_context(Replay(capacity=3 * demos.steps // collectors + 5000, columns=columns(plan, spec)))
            for _ in range(collectors if demos.steps else 0)
        ]

        size = NumpyActor(width.obs, plan.sac.actor_hidden, 12).size
        actor, candidate = (stack.enter_context(Mailbox(size=size)) for _ in range(2))
        start = max(plan.random, plan.sac.batch) // 2
        job = LearnJob(plan.sac, width, plan.seed, tuple(r.place for r in replays), actor.address, mirrors(plan), start, plan.ratio, tuple(r.place for r in shown), demos.share, demos.imitate if shown else 0, demos.steps // collectors)
        learner, learner_end = context.Pipe()
        processes = [context.Process(target=learn, args=(job, learner_end), daemon=True)]
        pipes = []
        for number in range(collectors):
            mine, theirs = context.Pipe()
            told = CollectJob(plan, number, collectors, replays[number].place, actor.address, shown[number].place if shown else None, candidate.address)
            processes.append(context.Process(target=collect, args=(told, theirs), daemon=True))
            pipes.append(mine)
        for process in processes:
            process.start()
        began = time.monotonic()
        steps, scores, best, snapshots, last = [0] * collectors, {}, -9.0, {}, 0.0
        rewards, lengths = [], []
        while time.monotonic() - began < plan.minutes * 60:
            time.sleep(0.2)
            for process in processes:
                if not process.is_alive():
                    raise PolicyError(f"a process of the training died with exit code {process.exitcode}")
            for pipe in pipes:
                while pipe.poll():
                    told = pipe.recv()
                    if told.failed:
                        raise PolicyError(told.failed)
                    steps[told.number] = max(told.steps, steps[told.number])
                    if told.scores:
                        scores.setdefault(told.scores[0], []).extend(told.scores[1])
                        if len(scores[told.scores[0]]) == plan.judging.episodes:
                            s = scores.pop(told.scores[0])
                            merit = float(np.mean([x.merit for x in s]))
                            u, figs, arrays = snapshots.pop(told.scores[0])
                            console.print(
                                f"{(time.monotonic()-began)/60:5.1f} min steps {sum(steps)} updates {u} success {sum(x.success for x in s)}/{len(s)} "
                                f"fell {sum(x.fell for x in s)} err {np.mean([x.speed_error for x in s]):.3f} {np.mean([x.yaw_error for x in s]):.3f} "
                                f"rate {np.mean([x.action_rate for x in s]):.3f} merit {merit:.3f} | reward {np.mean(rewards[-20:]):.3f} len {np.mean(lengths[-20:]):.1f} "
                                f"loss {figs[0]:.3f} q {figs[1]:.2f} ent {figs[3]:.2f} temp {figs[4]:.4f}", highlight=False)
                            if merit > best:
                                best = merit
                                np.savez(out, **arrays)
                    else:
                        rewards.append(told.reward)
                        lengths.append(told.seconds)
            if time.monotonic() - began - last > plan.judging.every and not snapshots and actor.version > 1:
                learner.send("arrays")
                u, figs, arrays = learner.recv()
                if u > 1000:
                    snapshots[candidate.publish(flattened(arrays, "average"))] = (u, figs, arrays)
                    last = time.monotonic() - began
        learner.send("arrays")
        u, figs, arrays = learner.recv()
        np.savez(str(out) + ".last", **arrays)
        learner.send("end")
        for pipe in pipes:
            pipe.send("end")
        for process in processes:
            process.join(30)
    return {}
