"""`socorpus doctor`: installed and missing packages, how to get them, and the plug-ins."""

from socorpus.cli import options, view


def doctor(plugin: options.Plugins = None) -> None:
    """Check the installation: what is there, what is missing, and how to get it."""
    from socorpus.corpus import active_plugins, check_installation
    from socorpus.labeling import tasks_without_functions

    options.use(plugin)
    checked = check_installation()
    view.out.print(f"socorpus {checked.version}, Python {checked.python} on {checked.system}")
    view.out.print(
        f"{checked.cores} cores, {view.size(checked.memory)} of memory, {view.size(checked.free)} free in this folder"
    )
    table = view.table("package", "found", "wanted", "")
    for package in checked.packages:
        verdict = "" if package.fits else "missing" if package.installed is None else "other"
        table.add_row(package.name, package.installed or "-", package.wanted, verdict)
    view.out.print(table)
    for extra in checked.lacking:
        command = f"pip install 'socorpus[{extra}]'" if extra else "pip install socorpus"
        view.out.print(f"To get what is missing{f' for {extra}' if extra else ''}: {command}", markup=False)
    if not checked.lacking:
        view.out.print("Nothing is missing.")
    for place, identity, definitions in active_plugins():
        shown = identity[:12] if len(identity) == 64 else identity
        view.out.print(f"plug-in {place} ({shown}): {', '.join(definitions) or 'defines nothing'}", markup=False)
    for sentence in tasks_without_functions():
        view.out.print(sentence, markup=False)
