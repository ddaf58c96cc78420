"""Rates of the whole lab, as its users meet it: the command line, the daemon, many workers."""
