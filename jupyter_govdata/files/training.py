"""Governed files as a dataset of PyTorch. Runs in the kernel and in workers of a `DataLoader`.

A worker asks the gateway for itself: what crosses to it is who asks for what, never a token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch.distributed
from torch.utils.data import IterableDataset, get_worker_info

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.files.file import GovernedFile

Decode = Callable[[GovernedFile], Any]


class Samples(Protocol):
    """What of a `FileSet` a dataset needs."""

    def __getitem__(self, which: int) -> GovernedFile: ...

    def recipe(self) -> dict[str, Any]:
        """See `FileSet.recipe`."""


Reopen = Callable[[Mapping[str, Any]], Samples]


class GovernedDataset(IterableDataset[Any]):
    """Samples of governed files; each rank and each worker has its own share of them.

    With workers, start them by ``multiprocessing_context="forkserver"`` or ``"spawn"``.

    Args:
        files: The set.
        decode: Makes a sample of a file; by default a dict of path, bytes and row.
        reopen: Gets the set by its recipe in another process, so a function of a module.
        shuffle: In another order every epoch.
        seed: Of the order.
    """

    def __init__(
        self, files: Samples, decode: Decode | None, reopen: Reopen, *, shuffle: bool, seed: int
    ) -> None:
        super().__init__()
        self._files: Samples | None = files
        self._recipe = files.recipe()
        self._reopen = reopen
        self._decode = decode or sample_of
        self._shuffle = shuffle
        self._seed = seed
        self._epoch = 0
        self._given = 0
        self._resume_at = 0

    def __repr__(self) -> str:
        return f"<GovernedDataset of {len(self._recipe['keys']):,} files>"

    def __len__(self) -> int:
        """Return how many samples this rank gets in an epoch."""
        rank, ranks = _rank()
        return len(range(rank, len(self._recipe["keys"]), ranks))

    def __iter__(self) -> Iterator[Any]:
        files = self._here()
        share = self._share()
        start, self._resume_at = self._resume_at, 0
        for given, place in enumerate(share[start:], start + 1):
            sample = self._decode(files[int(place)])
            # What was given counts before it is handed over: a checkpoint is made after it.
            self._given = given
            yield sample
        self._given = 0

    def set_epoch(self, epoch: int) -> None:
        """Begin epoch `epoch`: another order, if the samples are shuffled."""
        self._epoch = epoch
        self._given = self._resume_at = 0

    def state_dict(self) -> dict[str, int]:
        """Return where this share stands, for a checkpoint; `StatefulDataLoader` calls it."""
        return {"epoch": self._epoch, "given": self._given, "seed": self._seed}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the samples that were given before the checkpoint.

        Raises:
            ConfigError: The checkpoint is of another order.
        """
        if state["seed"] != self._seed:
            raise ConfigError(
                "the checkpoint was made with another seed", hint=f"pass `seed={state['seed']}`"
            )
        self._epoch = state["epoch"]
        self._given = self._resume_at = state["given"]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": None}

    # -- here --------------------------------------------------------------------------------

    def _share(self) -> Any:
        count = len(self._recipe["keys"])
        order = np.arange(count)
        if self._shuffle:
            order = np.random.default_rng([self._seed, self._epoch]).permutation(count)
        rank, ranks = _rank()
        worker = get_worker_info()
        part, parts = (0, 1) if worker is None else (worker.id, worker.num_workers)
        return order[rank * parts + part :: ranks * parts]

    def _here(self) -> Samples:
        """Return the files; in a worker, over a session of its own."""
        if self._files is None:
            self._files = self._reopen(self._recipe)
        return self._files


def sample_of(file: GovernedFile) -> dict[str, Any]:
    """Return the default sample: path, bytes and row of a file."""
    return {"path": file.path, "bytes": file.read(), "row": file.row}


def _rank() -> tuple[int, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


__all__ = ["GovernedDataset", "sample_of"]
