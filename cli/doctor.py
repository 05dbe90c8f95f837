"""`socorpus doctor`: what this machine is, what is missing or will be slow, and the commands that mend it."""

from typing import Annotated

import typer

from socorpus.cli import options, view


def doctor(
    plugin: options.Plugins = None,
    compile_now: Annotated[
        bool, typer.Option("--compile", help="Compile the kernels now, so that no build has to.")
    ] = False,
    packages: Annotated[bool, typer.Option("--packages", help="List all packages with their versions.")] = False,
) -> None:
    """Check the machine and the installation: what is missing or will be slow, and what mends it."""
    from socorpus.corpus import active_plugins, check_installation, compile_kernels
    from socorpus.labeling import check_studio, compile_label_kernels, tasks_without_functions
    from socorpus.training import check_devices

    options.use(plugin)
    if compile_now:
        compile_kernels(view.say)
        compile_label_kernels()
    checked, studio, devices = check_installation(), check_studio(), check_devices()
    there = f"{view.size(checked.free)} free in this folder" + (f", {checked.file_system}" * bool(checked.file_system))
    gpus = [f"{name}, {view.size(memory)}" for name, memory, _ in devices.gpus]
    view.out.print(f"socorpus {checked.version}, Python {checked.python} on {checked.system}")
    view.out.print(f"machine: {checked.cores} cores, {view.size(checked.memory)} of memory, {there}")
    kernels = {None: "can't be kept", True: "compiled", False: "not yet compiled"}[checked.compiled]
    view.out.print(f"kernels: {kernels}")
    view.out.print(f"PyTorch: {devices.torch or 'not installed'}", markup=False)
    view.out.print(f"GPUs: {'; '.join(gpus) or 'none'}", markup=False)
    view.out.print(f"Label Studio: {studio.version or 'not installed'} ({studio.folder})", markup=False)
    fitting = sum(package.fits for package in checked.packages)
    view.out.print(f"packages: {fitting} of {len(checked.packages)} are there in a version that is asked for")
    table = view.table("package", "found", "wanted", "")
    for package in checked.packages:
        verdict = "" if package.fits else "missing" if package.installed is None else "other"
        if packages or verdict:
            table.add_row(package.name, package.installed or "-", package.wanted, verdict)
    if table.row_count:
        view.out.print(table)
    for place, identity, definitions in active_plugins():
        shown = identity[:12] if len(identity) == 64 else identity
        view.out.print(f"plug-in {place} ({shown}): {', '.join(definitions) or 'defines nothing'}", markup=False)
    for sentence in tasks_without_functions():
        view.out.print(sentence, markup=False)
    advice = [*checked.advice, *devices.advice, *studio.advice]
    for number, given in enumerate(advice, start=1):
        view.out.print(f"{number}. {given.sentence}", markup=False)
        if given.command is not None:
            view.out.print(f"   $ {given.command}", markup=False)
    if not advice:
        view.out.print("Nothing is missing, and nothing here is slow.")
