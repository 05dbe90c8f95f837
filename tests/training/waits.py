"""Where the host waits for a GPU, found without one."""

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class Waits(TorchDispatchMode):
    """Counts the operations in which the host waits for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        name = str(function)
        if any(word in name for word in ("_local_scalar_dense", "nonzero", "masked_select", "equal.default", "unique")):
            self.seen.append(name)
        return function(*arguments, **(keywords or {}))
