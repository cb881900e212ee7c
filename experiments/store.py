# SPDX-License-Identifier: Apache-2.0
"""The state of the jobs on disk: one file per job, and the output folder's lock."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import yaml

from experiments.jobs import OUT, Job, folder_of, title
from experiments.plan import SHIPPED
from segrgbx_core.errors import OutputError
from segrgbx_core.files.disk import disk_errors, write_whole
from segrgbx_core.weights.store import model_folder

USUAL = "out/results"
State = Literal["running", "stopped", "failed", "done"]


@dataclass(frozen=True)
class Record:
    """A job's last attempt. key: of `keys_of`. cpu_s, wall_s: seconds over all recorded attempts.
    whole: False where an attempt ended without its times being recorded. machine: the machine and
    the code's version. status: the exit status of the last attempt. lists: by real
    dataset, a hash of the lists it rests on; without those that were not at hand."""

    key: str
    state: State
    command: str
    cpu_s: float = 0.0
    wall_s: float = 0.0
    attempts: int = 0
    whole: bool = True
    status: int | None = None
    finished: str = ""
    machine: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)


class Store:
    """The output folder. real: the folders of the real datasets that are at hand, by name."""

    def __init__(self, out: Path, real: Mapping[str, Path] | None = None) -> None:
        self.out, self.real = out, dict(real or {})

    def lacks(self, job: Job) -> bool:
        """Whether the job needs a real dataset whose folder is not known."""
        return job.real is not None and job.real not in self.real

    def record(self, job: Job) -> Record | None:
        """The job's record; None before its first attempt, or where its result is missing."""
        path = self._path(job)
        if not path.is_file():
            return None
        content = json.loads(path.read_text("utf-8"))
        lists = content.get("lists")  # once one hash for all sets, which says nothing of one
        known = Record(**{**content, "lists": lists if isinstance(lists, dict) else {}})
        gone = known.state == "done" and not (self.out / job.makes).is_dir()
        return None if gone else known

    def note(self, job: Job, record: Record) -> None:
        """Writes the job's file."""
        path = self._path(job)
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(asdict(record), indent=1) + "\n").encode())

    def done(self, job: Job, key: str) -> bool:
        """Whether the result of exactly this command and recipe exists."""
        record = self.record(job)
        return record is not None and record.state == "done" and self._fits(job, record, key)

    def outdated(self, job: Job, key: str) -> bool:
        """Whether there is a result of a command or recipe other than the plan's, or of other
        lists of the real set."""
        record = self.record(job)
        return record is not None and not self._fits(job, record, key)

    def _fits(self, job: Job, record: Record, key: str) -> bool:
        known = self._lists(job)
        same = all(record.lists.get(name, value) == value for name, value in known.items())
        return record.key == key and same

    def _lists(self, job: Job) -> dict[str, str]:
        """A hash of the job's lists for each real dataset that is at hand."""
        hashes = {}
        for name, files in job.lists.items():
            if name in self.real:
                paths = [self.real[name] / file for file in files]
                whole = b"".join(
                    p.name.encode() + p.read_bytes() for p in sorted(paths) if p.is_file()
                )
                hashes[name] = hashlib.sha256(whole).hexdigest()[:16]
        return hashes

    def forget(self, job: Job) -> None:
        """Removes the job's result and its record."""
        with disk_errors(self.out):
            shutil.rmtree(self.out / job.makes, ignore_errors=True)
            self._path(job).unlink(missing_ok=True)

    def begun(self, job: Job, key: str, machine: Mapping[str, str]) -> Record:
        """Records that an attempt begins, and returns the record so far."""
        last = self.record(job)
        same = last is not None and self._fits(job, last, key)
        known = last if last is not None and same else Record(key, "running", "")
        record = replace(
            known,
            state="running",
            command=self.command(job),
            attempts=known.attempts + 1,
            whole=known.whole and (known.attempts == 0 or known.state != "running"),
            status=None,
            machine=dict(machine),
            lists={**known.lists, **self._lists(job)},
        )
        self.note(job, record)
        return record

    def arguments(self, job: Job) -> list[str]:
        """Arguments of `segrgbx`; resumes where an earlier attempt left a checkpoint."""
        plain = [self._placed(word, job.real) for word in job.arguments]
        if job.kind == "train" and (self.out / job.makes / "checkpoint.pt").is_file():
            return [*plain, "--resume"]
        return [*plain, "--force"]

    def command(self, job: Job) -> str:
        """The plain command that gives the same result in the default output folder."""
        real = job.real or ""
        words = [
            word.replace(OUT, USUAL).replace(folder_of(real), real.upper())
            for word in job.arguments
        ]
        return " ".join(["segrgbx", *words])

    def log(self, job: Job) -> Path:
        """Where the job's output goes."""
        return self.out / "logs" / f"{_flat(job)}.log"

    def write_recipe(self, job: Job) -> None:
        """Writes the training's recipe, with paths relative to the recipe's folder."""
        if job.recipe is None or job.run is None or job.seed is None:
            return
        folder = self.out / "recipes"
        path = folder / f"{title(job.run, job.seed)}.yaml"
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        tree = self._from_recipes(job.recipe)
        write_whole(path, yaml.safe_dump(tree, sort_keys=False, width=99).encode())

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Locks out a second runner while this one, or any job it left behind, is running.

        Yields the descriptor that jobs inherit. Raises OutputError where another has the lock.
        """
        with disk_errors(self.out):
            self.out.mkdir(parents=True, exist_ok=True)
            file = (self.out / ".lock").open("w")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(
                    f"{self.out} is in use by another run of this, or by a job that one left "
                    "behind; wait for it, end it, or choose another --out."
                ) from None
            yield file.fileno()

    def _path(self, job: Job) -> Path:
        return self.out / "jobs" / f"{_flat(job)}.json"

    def _placed(self, word: str, dataset: str | None) -> str:
        word = word.replace(OUT, str(self.out))
        if dataset is None:
            return word
        return word.replace(folder_of(dataset), str(self.real.get(dataset, dataset.upper())))

    def _from_recipes(self, value: object) -> object:
        if isinstance(value, Mapping):
            return {key: self._from_recipes(below) for key, below in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._from_recipes(below) for below in value]
        if isinstance(value, str) and value.startswith(OUT):
            return ".." + value.removeprefix(OUT)
        if isinstance(value, str) and value.startswith(SHIPPED):
            folder = model_folder(value.removeprefix(SHIPPED))
            return os.path.relpath(folder.resolve(), (self.out / "recipes").resolve())
        for name, folder in self.real.items():
            if value == folder_of(name):
                return os.path.relpath(folder.resolve(), (self.out / "recipes").resolve())
        return value


def _flat(job: Job) -> str:
    return job.name.replace("/", ".")
