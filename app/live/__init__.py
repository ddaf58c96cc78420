"""How a figure stays alive in the browser: frames, their order, and the two components."""
