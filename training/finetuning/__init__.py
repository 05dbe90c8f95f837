"""Fine-tuning a pre-trained encoder on a task."""
