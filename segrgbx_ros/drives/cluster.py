# SPDX-License-Identifier: Apache-2.0
"""Runs the tasks of a set on a Ray cluster, or on a Ray of this machine.

Ray places the tasks, watches their processes and cancels them. Which process died, and whether its
task is tried again, is decided here as for processes of this machine, so that both count alike.
"""

import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segrgbx_core.errors import InputError
from segrgbx_core.files.resources import package_for
from segrgbx_ros.drives.engines import Attempts
from segrgbx_ros.drives.plan import STATES_FILE, Task

if TYPE_CHECKING:
    from segrgbx_ros.drives.task import TaskProgress, TaskResult
    from segrgbx_ros.replay.options import Stopping

LOCAL = "local"
CONNECT_S = 10.0
LISTEN_S = 0.5
# Read by Ray when it is imported or started; its own waits would take minutes.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_NUM_REDIS_GET_RETRIES": "1",
    "RAY_py_gcs_connect_timeout_s": "10",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class RayCluster:
    """An engine on Ray. See `Engine`; `connected` comes before `running`.

    address: HOST:PORT or ray://HOST:PORT of a cluster's head, "auto" for the one that this machine
    belongs to, "local" for a new one of this machine alone. jobs: most tasks at once, None for
    what the cluster has room for. gpu_share: of a GPU, for each task; None for a whole one where
    the cluster has any. retries: see `Attempts`.
    """

    def __init__(
        self,
        address: str,
        jobs: int | None = None,
        gpu_share: float | None = None,
        retries: int = 1,
    ) -> None:
        if gpu_share is not None and not 0 <= gpu_share <= 1:
            raise InputError(f"The share of a GPU is {gpu_share:g}; expected 0 to 1.")
        self._address, self._jobs, self._gpu_share = address, jobs, gpu_share
        self._attempts = Attempts(retries)
        self._ray: Any = None

    @contextmanager
    def connected(self) -> Iterator["RayCluster"]:
        """A context within which tasks can run.

        Raises InputError where Ray is missing, and for a cluster that cannot be reached.
        """
        os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
        ray = package_for("--ray", "ray", "cluster")
        _reach(self._address)
        try:
            ray.init(**self._how_to_connect())
        except Exception as err:
            why = str(err).strip().partition("\n")[0].rstrip(".")
            raise InputError(
                f"Ray at {self._address} cannot be used ({type(err).__name__}: {why}); check the "
                "address, and that the cluster has the same versions of Ray and Python."
            ) from err
        self._ray = ray
        try:
            yield self
        finally:
            ray.shutdown()

    def _how_to_connect(self) -> dict[str, Any]:
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address != LOCAL:
            return {"address": self._address, **quiet}
        cores = self._jobs or len(os.sched_getaffinity(0))
        return {"address": LOCAL, "num_cpus": cores, "include_dashboard": False, **quiet}

    @contextmanager
    def running(
        self,
        tasks: Sequence[Task],
        heard: "Callable[[TaskProgress], None]",  # noqa: ARG002
        stopping: "Stopping",
    ) -> "Iterator[Iterator[TaskResult]]":
        """See Engine; of a task under way nothing is heard."""
        share = self._share()
        remote = self._ray.remote(num_cpus=1, num_gpus=share, max_retries=0)(on_worker)
        flying: dict[Any, Task] = {}
        try:
            yield self._results(remote, deque(map(_absolute, tasks)), flying, stopping)
        finally:
            for reference in flying:
                self._ray.cancel(reference, force=True)

    def _share(self) -> float:
        if self._gpu_share is not None:
            return self._gpu_share
        return 1.0 if self._ray.cluster_resources().get("GPU", 0) >= 1 else 0.0

    def _results(
        self, remote: Any, waiting: deque[Task], flying: dict[Any, Task], stopping: "Stopping"
    ) -> "Iterator[TaskResult]":
        told = False
        while waiting or flying:
            if stopping() is not None and not told:
                told = True
                waiting.clear()
                for reference in flying:
                    self._ray.cancel(reference)
            while waiting and (self._jobs is None or len(flying) < self._jobs):
                task = waiting.popleft()
                flying[remote.remote(task)] = task
            ready, _ = self._ray.wait(list(flying), num_returns=1, timeout=LISTEN_S)
            for reference in ready:
                came = self._taken(reference, flying.pop(reference))
                if isinstance(came, Task) and not told:
                    waiting.appendleft(came)
                elif not isinstance(came, Task) and came is not None:
                    yield came

    def _taken(self, reference: Any, task: Task) -> "Task | TaskResult | None":
        """A finished task's result, the task if it is to run again, None if it did not begin."""
        from segrgbx_ros.drives.task import TaskResult

        ray = self._ray
        lost = (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.LocalRayletDiedError,
        )
        try:
            result: TaskResult = ray.get(reference)
        except ray.exceptions.TaskCancelledError:
            return None
        except lost as err:
            return self._attempts.after_death(task, f"on the cluster died ({type(err).__name__})")
        except Exception as err:  # noqa: BLE001
            why = str(err).strip().rpartition("\n")[2].rstrip(".")
            sentence = f"The cluster could not run it ({why}); install the same version of "
            return TaskResult(task.name, "failed", f"{sentence}segrgbx_ros on its nodes.", False)
        return self._attempts.counted(result)


def _reach(address: str) -> None:
    """Raises InputError for an address where nothing answers within ten seconds."""
    if address in (LOCAL, "auto"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(
            f"The address of Ray is '{address}'; expected HOST:PORT, ray://HOST:PORT, auto or "
            "local."
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_S):
            pass
    except OSError as err:
        why = (err.strerror or str(err) or type(err).__name__).lower()
        raise InputError(
            f"No Ray answers at {address} ({why}); check the address, or start its head with "
            "`ray start --head`."
        ) from err


def _absolute(task: Task) -> Task:
    """The task with paths that mean the same on another machine with the same storage."""
    options = task.options
    cameras = {name: _anywhere(path) for name, path in vars(options.cameras).items()}
    return replace(
        task,
        options=replace(
            options,
            bag=options.bag.absolute(),
            out=options.out.absolute(),
            model=_here(options.model),
            label_set=None if options.label_set is None else _here(options.label_set),
            cameras=replace(options.cameras, **cameras),
            files=replace(
                options.files,
                rrd=_anywhere(options.files.rrd),
                video=_anywhere(options.files.video),
            ),
            truth=replace(
                options.truth,
                folder=_anywhere(options.truth.folder),
                classes=_anywhere(options.truth.classes),
                conditions=_anywhere(options.truth.conditions),
            ),
        ),
    )


def _anywhere(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _here(name_or_path: str | Path) -> str | Path:
    """A path that exists as an absolute one; the name of something shipped as it is."""
    path = Path(name_or_path)
    with suppress(OSError):
        return path.absolute() if path.exists() else name_or_path
    return name_or_path


def on_worker(task: Task) -> "TaskResult":
    """Runs a task in a worker of Ray, which cancels it as by SIGINT."""
    from segrgbx_core.stopping import StopRequest
    from segrgbx_ros.drives.task import TaskResult, run_task

    up = task.options.out.parents[task.name.count("/")]
    if not (up / STATES_FILE).is_file():
        why = (
            f"Worker {socket.gethostname()} does not see {up}; the recordings and the output "
            "folder must lie on storage that all nodes share."
        )
        return TaskResult(task.name, "failed", why, False)
    with StopRequest() as stop:
        return run_task(task, stopping=lambda: stop.asked)
