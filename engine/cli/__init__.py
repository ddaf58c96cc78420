"""The command line: `python -m engine`, its flags and its output."""
