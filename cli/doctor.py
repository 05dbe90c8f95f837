"""`socorpus doctor`: what is installed, what is missing, how to get it."""

from socorpus.cli import view


def doctor() -> None:
    """Check the installation: what is there, what is missing, and how to get it."""
    from socorpus.corpus import check_installation

    found = check_installation()
    view.out.print(f"socorpus {found.version}, Python {found.python} on {found.system}")
    view.out.print(
        f"{found.cores} cores, {view.size(found.memory)} of memory, {view.size(found.free)} free in this folder"
    )
    table = view.table("package", "found", "wanted", "")
    for package in found.packages:
        verdict = "" if package.fits else "missing" if package.installed is None else "other"
        table.add_row(package.name, package.installed or "-", package.wanted, verdict)
    view.out.print(table)
    for extra in found.lacking:
        command = f"pip install 'socorpus[{extra}]'" if extra else "pip install socorpus"
        view.out.print(f"To get what is missing{f' for {extra}' if extra else ''}: {command}", markup=False)
    if not found.lacking:
        view.out.print("Nothing is missing.")
