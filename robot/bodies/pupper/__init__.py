"""The Stanford Pupper v2: driver, protocol, telemetry filter, kinematics."""
