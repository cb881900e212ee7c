# SPDX-License-Identifier: Apache-2.0
"""The processes of one training: alone, or as many as torchrun started."""

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
    """This process's number and how many there are; every method is called by all of them."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes, at each of them."""
        if self.world == 1:
            return values
        found = values.clone()
        dist.all_reduce(found)
        return found

    def any(self, flag: bool) -> bool:
        """Whether the flag is up anywhere."""
        return bool(self.total(torch.tensor(float(flag), device=self._device())) > 0)

    def gathered(self, value: Tensor) -> list[Tensor]:
        """Each process's tensor, in order."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return found

    def wait(self) -> None:
        """Until all are here."""
        if self.world > 1:
            dist.barrier()

    def first_does(self, work: Callable[[], None]) -> None:
        """What the first process alone is to do, while the others wait.

        Raises at each of them what it raised of SegRgbxError, with its sentence.
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
        """Gives all processes the first one's tensors."""
        if self.world > 1:
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, 0)

    def speaks(self) -> bool:
        """Whether this process is the first to ask, so that it is the one to say what is wrong."""
        if self.world == 1:
            return True
        try:
            return bool(distributed_c10d._get_default_store().add("segrgbx_errors", 1) == 1)
        except RuntimeError:
            # The place where they meet went with the process that held it, which has spoken.
            return False

    def _device(self) -> torch.device:
        nccl = self.world > 1 and dist.get_backend() == "nccl"
        return torch.device("cuda" if nccl else "cpu")


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """The processes that torchrun started, which meet here and part at the end; or one alone.

    device: "auto", "cpu", "cuda" or "cuda:N". Where they fail, one of them says why: what is
    raised inside becomes SystemExit at the others.
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
            "one; give cuda, and each takes a GPU of its own."
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
                f"torchrun started more processes here than the {gpus} GPU(s) there are; give "
                f"--nproc-per-node {gpus}."
            )
        yield ranks
    except SegRgbxError as err:
        if not ranks.speaks():
            raise SystemExit(_FAILED) from err
        raise
    except KeyboardInterrupt as err:
        if not (ranks.first and ranks.speaks()):
            raise SystemExit(_INTERRUPTED) from err
        raise
    except RuntimeError as err:
        if not _is_a_lost_partner(err):
            raise
        if not ranks.speaks():
            raise SystemExit(_FAILED) from err
        raise SegRgbxError(
            "Another process of this training ended without a word; torchrun's report below says "
            "by which signal, and 9 is mostly memory that ran out."
        ) from err
    finally:
        dist.destroy_process_group()


def _is_a_lost_partner(err: RuntimeError) -> bool:
    return isinstance(err, dist.DistError) or "gloo" in str(err)


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the samples of all processes, on any device.

    torch's own SyncBatchNorm runs on accelerators alone. The variance is taken about the common
    mean, in a second exchange, for the sake of float32.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, torch's name
        """(B, C, H, W) to the same."""
        if not self.training:
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            # Half types neither hold the number of pixels nor the sum over them.
            return self._normalised(input.float()).to(input.dtype)

    def _normalised(self, values: Tensor) -> Tensor:
        """The same of float32, by the statistics of all processes."""
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
    """Over all processes; gradients run back to each."""
    found: Tensor = _AllReduce.apply(values)
    return found


class _AllReduce(torch.autograd.Function):
    """A sum over all processes, of the gradients as well."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        found = values.clone()
        dist.all_reduce(found)
        return found

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        found = gradient.clone()
        dist.all_reduce(found)
        return found


def share_batch_norms(module: nn.Module) -> None:
    """Replaces every batch normalisation by one over all processes, with the same tensors."""
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
    """The device of this process: of several on one machine each takes a GPU of its own."""
    number = os.environ.get("LOCAL_RANK")
    if number is None or str(device) != "cuda":
        return device
    return torch.device("cuda", int(number))
