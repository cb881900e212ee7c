# SPDX-License-Identifier: Apache-2.0
"""Replays on a genuine Ray of two workers on this machine, and what keeps one from being used."""

import importlib.util
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from segrgbx_core.errors import InputError
from segrgbx_ros.drives.cluster import RayCluster
from segrgbx_ros.drives.plan import STATES_FILE, Task
from segrgbx_ros.replay.output import STATE_FILE

sys.path.insert(0, str(Path(__file__).parent))
from drive_bags import drive_bag, drive_options

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed: pip install 'segrgbx_ros[cluster]' for the tests on a cluster",
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with RayCluster("local", jobs=2).connected() as engine:
        yield engine


def tasks_of(tmp_path: Path, model: Path, *names: str) -> list[Task]:
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    (out / STATES_FILE).write_text("{}")
    return [Task(n, n, drive_options(model, out / n, tmp_path / n)) for n in names]


def status_of(pid: int) -> dict[str, str]:
    """The lines of the process's status in /proc; empty for one that is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def is_ours(pid: int) -> bool:
    """Whether the process comes from this one."""
    while pid > 1:
        if pid == os.getpid():
            return True
        pid = int(status_of(pid).get("PPid", 0))
    return False


def workers() -> list[int]:
    """Processes in which this process's Ray runs a task now."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if words.startswith(b"ray::on_worker") and is_ours(int(folder.name)):
            found.append(int(folder.name))
    return found


@contextmanager
def killing(out: Path, times: int) -> Iterator[list[int]]:
    """Kills the worker each time a task has written its first picture; yields those killed."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < times and not over.wait(0.05):
            fresh = [pid for pid in workers() if pid not in killed]
            if fresh and any(out.glob("overlays/*.png")):
                os.kill(fresh[0], signal.SIGKILL)
                killed.append(fresh[0])

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@needs_ray
def test_two_workers_do_what_processes_of_this_machine_do(
    tmp_path: Path, model_folder: Path, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        drive_bag(tmp_path / name, range(3))
    tasks = tasks_of(Path(), model_folder, "a", "missing", "b")
    with cluster.running(tasks, lambda _: None, lambda: None) as results:
        by_name = {result.name: result for result in results}
    states = {name: result.state for name, result in by_name.items()}
    assert states == {"a": "done", "b": "done", "missing": "failed"}
    assert f"{tmp_path / 'missing'} does not exist" in by_name["missing"].sentence
    assert by_name["a"].attempts == 1
    for name in ("a", "b"):
        assert (tmp_path / "out" / name / "summary.json").is_file()


@needs_ray
def test_a_worker_that_dies_is_replaced_and_counted(
    tmp_path: Path, model_folder: Path, cluster: RayCluster
) -> None:
    drive_bag(tmp_path / "a", range(60))
    tasks = tasks_of(tmp_path, model_folder, "a")
    with killing(tmp_path / "out" / "a", 1) as killed:  # noqa: SIM117
        with cluster.running(tasks, lambda _: None, lambda: None) as results:
            [result] = results
    assert len(killed) == 1
    assert (result.state, result.attempts) == ("done", 2)


@needs_ray
def test_stopping_leaves_what_can_be_gone_on_with(
    tmp_path: Path, model_folder: Path, cluster: RayCluster
) -> None:
    for name in ("a", "b", "c"):
        drive_bag(tmp_path / name, range(300))
    tasks = tasks_of(tmp_path, model_folder, "a", "b", "c")

    def stopping() -> str | None:
        pictures = [any((tmp_path / "out" / n).glob("overlays/*.png")) for n in ("a", "b")]
        return "SIGINT" if all(pictures) else None

    with cluster.running(tasks, lambda _: None, stopping) as results:
        came = {result.name: result for result in results}
    assert {name: result.state for name, result in came.items()} == {
        "a": "interrupted",
        "b": "interrupted",
    }
    for name in ("a", "b"):
        assert "Stopped by SIGINT after" in came[name].sentence
        assert (tmp_path / "out" / name / STATE_FILE).is_file()
    assert not (tmp_path / "out" / "c").exists()


@needs_ray
def test_a_worker_that_does_not_see_the_folder_says_so(
    tmp_path: Path, model_folder: Path, cluster: RayCluster
) -> None:
    tasks = tasks_of(tmp_path, model_folder, "a")
    (tmp_path / "out" / STATES_FILE).unlink()
    with cluster.running(tasks, lambda _: None, lambda: None) as results:
        [result] = results
    assert result.state == "failed"
    assert f"does not see {tmp_path / 'out'}; the recordings" in result.sentence


@needs_ray
def test_an_address_where_nothing_answers() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(InputError, match=rf"No Ray answers at {address} \(connection ref"):
            with_cluster(address)


@needs_ray
@pytest.mark.parametrize("address", ["head", ":6379", "head:ray", "head:70000"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(InputError, match=f"is '{address}'; expected HOST:PORT"):
        with_cluster(address)


def test_without_ray_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"--ray needs the package ray.*'segrgbx_ros\[cluster\]'"):
        with_cluster("local")


def test_a_share_of_a_gpu_is_at_most_one() -> None:
    with pytest.raises(InputError, match=r"share of a GPU is 1\.5; expected 0 to 1"):
        RayCluster("local", gpu_share=1.5)


def with_cluster(address: str) -> None:
    with RayCluster(address).connected():
        pass
