"""The engine: runs work items on local or remote Dask workers, and skips what their receipts say is done."""
