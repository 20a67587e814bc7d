"""Benchmarks: both sides of every ratio measured in one run, never a timed test."""
