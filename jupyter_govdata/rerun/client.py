"""Papermill's kernel client, with our way through the cells.

Runs in the process that runs the notebook.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient

from jupyter_govdata.rerun.record import RunRecord
from jupyter_govdata.rerun.resuming import Resumption

KERNEL_STARTS = 3
"""How often a kernel is started that dies before it says a word.

Its five ports are chosen before it takes them; on a busy machine another program may be faster.
"""

_ASKING = "__import__('jupyter_govdata.rerun.asking', fromlist=['_']).{call}"


class RunClient(PapermillNotebookClient):
    """Runs the cells of one notebook in one kernel."""

    nb_man: RunRecord

    def execute(self, **kwargs: Any) -> Any:
        """Start a kernel, run the cells, stop it; `kwargs` go to the kernel's start.

        Raises:
            CellTimeoutError: A cell took too long.
            DeadKernelError: The kernel died.
            ConfigError: The run cannot be resumed.
        """
        self.reset_execution_trackers()
        with self.setup_kernel(**kwargs):
            self.log.info(f"Executing notebook with kernel: {self.kernel_name}")
            fingerprint = self.ask("environment()") or ""
            self._resumption = Resumption(self.nb_man.run, str(fingerprint))
            self._updated: set[int] = set()
            try:
                self.papermill_execute_cells()
            except BaseException:
                self.shutdown_kernel = "immediate"  # it would be asked to end, and is busy
                raise
            reply = self.wait_for_reply(self.kc.kernel_info())
            self.nb.metadata["language_info"] = reply["content"]["language_info"]
            self.set_widgets_metadata()
        return self.nb

    @contextmanager
    def setup_kernel(self, **kwargs: Any) -> Iterator[None]:
        """Start a kernel, again if it dies before it is ready; stop it afterwards."""
        for left in reversed(range(KERNEL_STARTS)):
            self.km = self.create_kernel_manager()
            try:
                self.start_new_kernel(**kwargs)
                self.start_new_kernel_client()
                break
            except RuntimeError as exc:
                if not left or not is_dead_at_start(exc):
                    raise
                self.log.warning("the kernel died before it was ready; it is started again")
        with super().setup_kernel(**kwargs):
            yield

    def papermill_execute_cells(self) -> None:
        """Run the cells in order until one fails; a cell that is ended from outside has failed."""
        record = self.nb_man
        for place, cell in enumerate(self.nb.cells):
            entry = self._resumption.kept(cell, place, self.ask)
            if entry is not None:
                record.cell_kept(cell, place, entry)
                continue
            try:
                record.cell_start(cell, place)
                # The magics look up the pins of the cell they run in, as JupyterLab tells them.
                self.kc.session.metadata = {"cellId": cell.get("id")}
                self.execute_cell(cell, place)
            except CellExecutionError:
                record.cell_exception(cell, cell_index=place)
                break
            except CellTimeoutError:
                record.cell_ended(
                    cell, "CellTimeoutError", f"the cell took longer than {self.timeout} s"
                )
                raise
            except DeadKernelError:
                record.cell_ended(cell, "DeadKernelError", "the kernel died in this cell")
                raise
            except KeyboardInterrupt:
                record.cell_ended(cell, "KeyboardInterrupt", "the run was stopped in this cell")
                raise
            except BaseException as exc:
                record.cell_ended(cell, type(exc).__name__, "the run was ended in this cell")
                raise
            finally:
                record.cell_complete(cell, place)
                for earlier in sorted(self._updated - {place}):
                    record.journal(self.nb.cells[earlier], earlier)
                self._updated.clear()

    def _update_display_id(self, display_id: str, msg: dict[str, Any]) -> None:
        """Note which cells' outputs another cell changes: a stamp is completed that way."""
        super()._update_display_id(display_id, msg)
        self._updated.update(self._display_id_map.get(display_id, {}))

    def ask(self, call: str) -> Any:
        """Return what a function of `asking` says in the kernel; None if it cannot be asked."""
        question = _ASKING.format(call=call)
        sent = self.kc.execute("", silent=True, user_expressions={"answer": question})
        reply = self.wait_for_reply(sent)
        answer = (reply or {}).get("content", {}).get("user_expressions", {}).get("answer", {})
        try:
            return json.loads(ast.literal_eval(answer["data"]["text/plain"]))
        except (KeyError, SyntaxError, TypeError, ValueError):
            return None


def is_dead_at_start(exc: RuntimeError) -> bool:
    """Return whether an error of nbclient says that the kernel died before it was ready."""
    return "Kernel died" in str(exc)
