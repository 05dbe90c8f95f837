"""`socorpus doctor`: what is installed, what is missing, how to get it, and the plug-ins."""

from socorpus.cli import options, view


def doctor(plugin: options.Plugins = None) -> None:
    """Check the installation: what is there, what is missing, and how to get it."""
    from socorpus.corpus import active_plugins, check_installation

    options.use(plugin)
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
    for place, identity, definitions in active_plugins():
        shown = identity[:12] if len(identity) == 64 else identity
        view.out.print(f"plug-in {place} ({shown}): {', '.join(definitions) or 'defines nothing'}", markup=False)
