# SPDX-License-Identifier: Apache-2.0
"""The node's model: loaded once, and on the device only while the node is active."""

import logging
import time
from collections import Counter
from weakref import WeakValueDictionary

import torch

from segrgbx_core import Segmenter
from segrgbx_core.modality import NO_X
from segrgbx_core.scene_cache import SceneRefresh
from segrgbx_core.weights.store import LoadedModel, load_model
from segrgbx_ros.node.health.health import ModelHealth
from segrgbx_ros.node.parameters.parameters import NodeSettings
from segrgbx_ros.node.worker import Turns

log = logging.getLogger("segrgbx")

WARM_UP_SIZE = (480, 640)


class ModelPool:
    """The models of a process, each loaded once for all cameras that name it.

    It keeps a model only as long as a camera does: configured again, it is read again. turns: the
    cameras segment one after the other.
    """

    def __init__(self) -> None:
        self.turns = Turns()
        self._loaded: WeakValueDictionary[tuple[str, str], LoadedModel] = WeakValueDictionary()
        self._users: Counter[tuple[str, str]] = Counter()

    def load(self, model: str, device: str) -> LoadedModel:
        """The model for a device. Raises SegRgbxError if it cannot be used."""
        loaded = self._loaded.get((model, device))
        if loaded is None:
            log.info("Loading model '%s'.", model)
            start = time.perf_counter()
            loaded = self._loaded[model, device] = load_model(model)
            self._users[model, device] = 0
            log.info("Loaded it in %.1f s.", time.perf_counter() - start)
        return loaded

    def take(self, model: str, device: str) -> None:
        """Counts one more camera that needs the model on its device."""
        self._users[model, device] += 1

    def leave(self, model: str, device: str) -> None:
        """Counts one camera less; without any, the weights go back to main memory."""
        self._users[model, device] -= 1
        if self._users[model, device] < 1:
            self._loaded[model, device].model.to("cpu")
            torch.cuda.empty_cache()


class NodeModel:
    """The model that the settings name, checked against the modality and warmed up.

    pool: where the cameras of a process share it. Raises SegRgbxError if it cannot be used.
    """

    def __init__(self, settings: NodeSettings, pool: ModelPool | None = None) -> None:
        self._settings, self.pool = settings, pool or ModelPool()
        self._loaded = self.pool.load(settings.model, settings.device)
        if settings.modality != NO_X:
            self._loaded.card.check_modality(settings.modality)
        self.segmenter: Segmenter | None = self._placed()

    @property
    def name(self) -> str:
        """The name in its card."""
        return self._loaded.card.name

    def on_device(self) -> Segmenter:
        """The model on the device; moves it there if necessary."""
        if self.segmenter is None:
            self.segmenter = self._placed()
        return self.segmenter

    def release(self) -> None:
        """Frees the device's memory; the weights stay in main memory."""
        if self.segmenter is None or self.segmenter.device.type == "cpu":
            return
        self.segmenter = None
        self.pool.leave(self._settings.model, self._settings.device)

    def health(self, defects: int) -> ModelHealth:
        """The model's device, precision and memory."""
        segmenter = self.segmenter
        if segmenter is None:
            told = self._settings
            return ModelHealth(
                self.name, "none (inactive)", told.precision, told.backend, 0, defects
            )
        memory = None
        if segmenter.device.type == "cuda":
            memory = torch.cuda.memory_reserved(segmenter.device)
        placed = (str(segmenter.device), segmenter.precision, segmenter.backend)
        limits = segmenter.card.limits
        return ModelHealth(self.name, *placed, memory, defects, limits)

    def _placed(self) -> Segmenter:
        told = self._settings
        self.pool.take(told.model, told.device)
        segmenter = Segmenter(
            self._loaded,
            device=told.device,
            precision=told.precision,
            scene_refresh=_scene_refresh(told),
            label_set=told.label_set or None,
            backend=told.backend,
            output_size=told.output_size,
        )
        for number in range(1, told.warmup_iterations + 1):
            start = time.perf_counter()
            with self.pool.turns:
                segmenter.warm_up(1, WARM_UP_SIZE)
            log.info(
                "Warm-up %d of %d took %.0f ms.",
                number,
                told.warmup_iterations,
                (time.perf_counter() - start) * 1e3,
            )
        return segmenter


def _scene_refresh(told: NodeSettings) -> SceneRefresh | None:
    if told.scene_refresh_every == 1:
        return None
    return SceneRefresh(told.scene_refresh_every, told.scene_refresh_change or None)
