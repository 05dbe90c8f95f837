"""Corpora in an object store: paths of objects, requests, copies on this machine, the lease and the generations."""
