"""Selection: the only place that drops documents, by rules over signals."""
