"""The task `entities`: named entities in posts."""
