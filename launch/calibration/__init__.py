"""What calibrations need of simulators and operators."""
