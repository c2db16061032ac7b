"""What the data is: ntuple formats, expressions over them, configurations, the dataset.

The one thing that most notebooks need is `open_dataset`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.dataset import Dataset, open_dataset

__all__ = ["Dataset", "open_dataset"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `import schemas` alone costs nothing."""
    if name in __all__:
        from schemas import dataset

        return getattr(dataset, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
