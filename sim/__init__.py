"""The robot in PyBullet for training, and its MuJoCo twin behind a serial line for judging."""
