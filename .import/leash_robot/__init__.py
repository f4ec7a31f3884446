"""leash: a learning control stack for small real robots. The folders of the repository, under one import name."""
