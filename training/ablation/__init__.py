"""Ablations of data: corpora that differ in one key, a proxy of each at equal compute, and what tells them apart."""
