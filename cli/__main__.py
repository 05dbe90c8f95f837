"""`python -m socorpus.cli`."""

from socorpus.cli.main import run

if __name__ == "__main__":
    run()
