"""leash: a learning control stack for small real robots. The folders of the repository, under one import name."""

from leash_robot.robot.host.gymnasium_hook import register_environments

register_environments()
