"""Training loops as the peers write theirs: what the engine's speed is compared with.

Written for this benchmark after the published repositories, in their manner and at their cost;
no code is copied. Every network here computes the logits of one of the engine's from the same
weights, which the tests hold. Nothing outside the benchmark uses them.
"""
