"""Arithmetic on residues mod p, after Power et al. 2022 and Nanda et al. 2023."""
