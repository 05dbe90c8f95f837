"""From votes to labels: the label model, and what people say."""
