"""The process that trains one batch of runs and writes their journals."""
