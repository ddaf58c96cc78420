"""Rates of training, side by side: the engine, the peers' loops, many runs, many cores."""
