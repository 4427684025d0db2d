"""Databases of the benchmarks, and what they are filled with."""
