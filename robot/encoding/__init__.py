"""Between observations and actions of a robot and the numbers of a network, the same in training and deployment."""
