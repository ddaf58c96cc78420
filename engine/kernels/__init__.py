"""Loops compiled for the CPU where a chain of torch operations is bound by memory traffic.

Each is an exact rewriting of torch operations, which stand beside it and are tested equal.
"""
