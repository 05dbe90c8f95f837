"""A fine-tuned model over HTTP."""
