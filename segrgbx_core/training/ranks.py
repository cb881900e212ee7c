# SPDX-License-Identifier: Apache-2.0
"""The processes of one training: a single one, or several started by torchrun."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.distributed_c10d as distributed_c10d
from torch import Tensor, nn

from segrgbx_core.errors import RecipeError, SegRgbxError

_PATIENCE = timedelta(hours=24)
_FAILED, _INTERRUPTED = 2, 130


@dataclass(frozen=True)
class Ranks:
    """This process's number and the number of processes; all of them must call every method."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and prints."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes; each of them gets it."""
        if self.world == 1:
            return values
        summed = values.clone()
        dist.all_reduce(summed)
        return summed

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        return bool(self.total(torch.tensor(float(flag), device=self._device())) > 0)

    def gathered(self, value: Tensor) -> list[Tensor]:
        """Each process's tensor, in order."""
        if self.world == 1:
            return [value]
        tensors: list[Any] = [None] * self.world
        dist.all_gather_object(tensors, value)
        return tensors

    def wait(self) -> None:
        """Waits until all processes have called it."""
        if self.world > 1:
            dist.barrier()

    def first_does(self, work: Callable[[], None]) -> None:
        """Runs the work in the first process while the others wait.

        A SegRgbxError of the first process is raised in all of them, with the same message.
        """
        said: list[str | None] = [None]
        if self.first:
            try:
                work()
            except SegRgbxError as err:
                if self.world > 1:
                    dist.broadcast_object_list([str(err)], 0)
                raise
        if self.world == 1:
            return
        dist.broadcast_object_list(said, 0)
        if said[0] is not None:
            raise RecipeError(said[0])

    def share_first(self, module: nn.Module) -> None:
        """Copies the first process's tensors to all processes."""
        if self.world > 1:
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, 0)

    def must_report(self) -> bool:
        """Whether this process is the first to ask, and so must report the error."""
        if self.world == 1:
            return True
        try:
            return bool(distributed_c10d._get_default_store().add("segrgbx_errors", 1) == 1)
        except RuntimeError:
            # The store has ended with the process that hosts it, which has reported the error.
            return False

    def _device(self) -> torch.device:
        nccl = self.world > 1 and dist.get_backend() == "nccl"
        return torch.device("cuda" if nccl else "cpu")


@contextmanager
def process_group(device: str) -> Iterator[Ranks]:
    """The process group: joins the processes that torchrun started, or uses this one only.

    device: "auto", "cpu", "cuda" or "cuda:N". If the training fails, one process reports the
    error; in the others it becomes SystemExit.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks()
        return
    if ":" in device:
        if os.environ.get("RANK", "0") != "0":
            raise SystemExit(_FAILED)
        raise RecipeError(
            f"--device is {device}, but torchrun started {world} processes, which cannot share "
            "one; give cuda, and each uses its own GPU."
        )
    cuda = device != "cpu" and torch.cuda.is_available()
    local, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if cuda:
        torch.cuda.set_device(local % gpus)
    dist.init_process_group("nccl" if cuda else "gloo", timeout=_PATIENCE)
    ranks = Ranks(dist.get_rank(), world)
    try:
        if cuda and local >= gpus:
            raise RecipeError(
                f"torchrun started more processes than this machine's {gpus} GPU(s); give "
                f"--nproc-per-node {gpus}."
            )
        yield ranks
    except SegRgbxError as err:
        if not ranks.must_report():
            raise SystemExit(_FAILED) from err
        raise
    except KeyboardInterrupt as err:
        if not (ranks.first and ranks.must_report()):
            raise SystemExit(_INTERRUPTED) from err
        raise
    except RuntimeError as err:
        if not _is_a_lost_partner(err):
            raise
        if not ranks.must_report():
            raise SystemExit(_FAILED) from err
        raise SegRgbxError(
            "Another process of this training ended without an error message; torchrun's report "
            "below names the signal: 9 mostly means that memory ran out."
        ) from err
    finally:
        dist.destroy_process_group()


def _is_a_lost_partner(err: RuntimeError) -> bool:
    return isinstance(err, dist.DistError) or "gloo" in str(err)


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the samples of all processes, on any device.

    torch's own SyncBatchNorm runs only on accelerators. The variance is computed about the common
    mean, in a second exchange, for precision in float32.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, torch's name
        """Normalises (B, C, H, W); the shape and dtype stay the same."""
        if not self.training:
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            # Half types can represent neither the number of pixels nor the sum over them.
            return self._normalised(input.float()).to(input.dtype)

    def _normalised(self, values: Tensor) -> Tensor:
        """Normalises float32 by the statistics of all processes."""
        count = values.new_tensor(float(values.numel() / values.shape[1]))
        sums = _summed(torch.cat([values.sum((0, 2, 3)), count[None]]))
        mean, whole = sums[:-1] / sums[-1], sums[-1].detach()
        apart = values - mean[:, None, None]
        variance = _summed(apart.square().sum((0, 2, 3))) / whole
        self._keep(mean.detach(), variance.detach() * whole / (whole - 1))
        out = apart * (variance + self.eps).rsqrt()[:, None, None]
        return out * self.weight[:, None, None] + self.bias[:, None, None]

    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)


def _summed(values: Tensor) -> Tensor:
    """The sum over all processes; gradients flow back to each."""
    summed: Tensor = _AllReduce.apply(values)
    return summed


class _AllReduce(torch.autograd.Function):
    """A sum over all processes; the gradients are summed too."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        summed = values.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        summed = gradient.clone()
        dist.all_reduce(summed)
        return summed


def share_batch_norms(module: nn.Module) -> None:
    """Replaces every batch normalisation by one over all processes that shares its tensors."""
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm2d:
            shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
            shared.weight, shared.bias = child.weight, child.bias
            for buffer, tensor in child.named_buffers():
                shared.register_buffer(buffer, tensor)
            setattr(module, name, shared.train(child.training))
        else:
            share_batch_norms(child)


def local_device(device: torch.device) -> torch.device:
    """The device of this process; several processes on one machine use one GPU each."""
    number = os.environ.get("LOCAL_RANK")
    if number is None or str(device) != "cuda":
        return device
    return torch.device("cuda", int(number))
