"""Printing, plots, reports and videos."""
