"""Loops for the CPU and kernels for CUDA where torch's chains are bound by memory traffic.

Each is an exact rewriting of torch operations, which stand beside it and are tested equal.
"""
