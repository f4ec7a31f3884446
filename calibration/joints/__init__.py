"""Zeros of the joints."""
