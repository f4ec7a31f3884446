"""Results of held-out episodes, made up."""

from leash_robot.sim.evaluation.result import Engine, EpisodeResult


def result(draw: int = 0, engine: Engine = "twin", *, success: bool = True, mass: float = 1.0) -> EpisodeResult:
    return EpisodeResult(
        engine=engine,
        draw=draw,
        axes={"mass x": mass, "friction": float(draw % 7)},
        command=(0.3, 0.0, 0.0),
        reached=(0.29, 0.0, 0.0),
        no_fall=success or draw % 2 == 0,
        success=success,
        speed_error=0.03 if success else 0.2,
        yaw_error=0.1,
        speed_rmse=0.04,
        action_rate=0.1,
        seconds=20.0,
        work=60.0,
        metres=6.0,
        weight=20.0,
    )
