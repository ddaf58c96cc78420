"""How a batch of runs is trained: a generator of events that knows no file, socket or clock."""
