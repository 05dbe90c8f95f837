"""Names of a package that are imported when they are first used (PEP 562): importing the package costs nothing."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def hand_on(package: str, places: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package that hands on the names of its modules, and `__version__`.

    Args:
        package: its `__name__`.
        places: module below the package -> names of it, separated by spaces. `Line:Step` hands on `Line` as `Step`.
    """
    origins: dict[str, tuple[str, str]] = {}
    for module, entries in places.items():
        for entry in entries.split():
            name, _, public = entry.partition(":")
            origins[public or name] = (f"{package}.{module}", name)

    def get(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version

            return version("socorpus")
        if name not in origins:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, origin = origins[name]
        value = getattr(import_module(module), origin)
        setattr(sys.modules[package], name, value)
        return value

    def listing() -> list[str]:
        return sorted({*vars(sys.modules[package]), *origins, "__version__"})

    return get, listing
