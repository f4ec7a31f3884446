"""Scripted gaits, learned policies, and the server that runs them away from the motors."""
