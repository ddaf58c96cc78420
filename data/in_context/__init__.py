"""Modular arithmetic learned from the examples of one row, after He, Doshi, Das & Gromov 2024."""
