"""Products of permutations, after Power et al. 2022."""
