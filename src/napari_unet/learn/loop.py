"""The training loop."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from napari_unet.arrays.targets import IGNORE
from napari_unet.errors import UserError
from napari_unet.events import CheckDone, Event, Finished, Note, StepDone
from napari_unet.learn.anchor import Anchor
from napari_unet.learn.data import Batch, PatchSampler
from napari_unet.learn.device import memory_format, move
from napari_unet.learn.losses import dice_scores, make_loss, pixel_weights
from napari_unet.learn.memory import is_out_of_memory
from napari_unet.learn.precision import autocast, number_type
from napari_unet.learn.prior import EVERY, Prior, prior_of
from napari_unet.learn.progress import Progress, learning_rate
from napari_unet.learn.turns import turns
from napari_unet.nets.adopt import adopt, rescale
from napari_unet.nets.finite import first_not_finite
from napari_unet.nets.freeze import free_modules, keep_statistics, train_mode
from napari_unet.nets.head import probabilities
from napari_unet.spec import TrainingSpec, TrainSpec

FINE = 1 / 3
"""Part of the learning rate with which a training goes on from what its start knows."""
RIM = 0.05
"""Part of a batch that is unpainted merely because patches reach beyond the image."""
GAIN = 0.01
"""Part by which the held-out loss has to fall to count as improved."""
LEAST_STEPS = 60
"""Steps without a gain that patience lasts at least: where steps are slow, few lie between two checks."""
RECALIBRATION = 8
"""Batches from which the BatchNorm statistics of the averaged weights are estimated at a check."""
IN_FULL = "the numbers are too large for half precision: going on in full precision"
ALREADY_COMPLETE = "this training is complete already: give it more time to go on"
State = dict[str, Tensor]


def make_optimizer(network: nn.Module, spec: TrainSpec) -> torch.optim.Optimizer:
    """Make the optimiser of the parameters that are not frozen."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    rate, decay = spec.learning_rate, spec.weight_decay
    if spec.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=spec.momentum, weight_decay=decay)
    kind = torch.optim.AdamW if spec.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, weight_decay=decay)


class TooLargeError(Exception):
    """The loss is not finite, in half precision: the numbers may have been too large for it."""


class DivergedError(Exception):
    """Weights, loss or scores are no longer finite; its text says which, and when."""


Good = tuple[dict[str, Any], dict[str, Any], dict[str, Any], Progress, Prior | None]
"""States of network, average and optimizer, the progress, and the prior, when they were last known to be sound."""


class Loop:
    """One training: network, optimiser, average and best weights. `run` yields events, and may be left at any."""

    def __init__(
        self,
        network: nn.Module,
        sampler: PatchSampler,
        held_out: Batch | None,
        spec: TrainingSpec,
        device: torch.device,
        class_weights: Tensor | None = None,
        anchor: Anchor | None = None,
        *,
        half: bool,
    ) -> None:
        self.spec, self.device = spec, device
        self.format = memory_format(spec.net.ndim)
        self.half = half
        self.network = move(network, device, spec.net.ndim)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = make_optimizer(self.network, spec.train)
        self.loss = make_loss(spec.train, spec.net)
        self.class_weights = class_weights
        self.anchor = None if anchor is None else anchor.to(device, half=self.half)
        self.turns = turns(spec.train.augment, sampler.patch)
        """Ways in which the start looks at what is kept to it, in turn."""
        self.prior = prior_of(spec, anchor)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.half and device.type == "cuda")
        self.progress = Progress()
        self.batch = spec.train.batch
        self.best: State = {}
        self.best_loss = math.inf
        self.best_step = 0
        """The step that `best` is of."""
        self.best_shift: list[float] = []
        """What `prior` has added to its outputs."""
        self._stale, self._mark, self._gained = 0, math.inf, 0
        """Checks since the held-out loss has fallen noticeably, what it was then, and the step."""
        self.since = {"anew": False, "other": False}
        """What has changed since the last check, see `CheckDone`."""
        self.learn_from(sampler, held_out)
        self.history: list[dict[str, Any]] = []
        self.good = self._snapshot()
        self.learnt = False
        """``good`` is what was learnt, and not what a training began with."""

    def run(self) -> Iterator[Event]:
        """Train until the budget is used up; every event is a safe place to stop.

        Raises
        ------
        UserError
            If the training diverged before anything was learnt that could be kept.
        """
        early = False
        reason = "the planned training is complete" if self.progress.part(self.spec) < 1 else ALREADY_COMPLETE
        try:
            yield from self._steps()
            if early := self.exhausted:
                reason = f"for {self._stale} scores in a row, the held-out strokes were predicted no better"
        except DivergedError as error:
            reason = self._roll_back(str(error))
            yield Note(reason + "; try a lower learning rate", warning=True)
        yield Finished(reason, self.progress.step, self.progress.seconds, early)

    def _steps(self) -> Iterator[Event]:
        """Make steps, and check what was learnt now and then."""
        while (part := self.progress.part(self.spec)) < 1:
            began = time.perf_counter()  # time at the yields, such as a pause, is not training
            cure: Callable[[], str] | None = None
            try:
                loss = self._step(learning_rate(part, self.spec) * (1.0 if self.anchor is None else FINE))
            except TooLargeError:
                cure = self._take_full
            except RuntimeError as error:
                if self.batch == 1 or not is_out_of_memory(error):
                    raise
                cure = self._take_fewer
            if cure is not None:  # only here, where the error no longer holds what was computed
                self._clear()
                yield Note(cure(), warning=True)
                continue
            self.progress.step += 1
            self.progress.seconds += time.perf_counter() - began
            yield self._report(loss)
            if self.progress.part(self.spec) >= (self.progress.checks + 1) / self.spec.train.checks:
                half = self.half
                yield self.check()
                if half and not self.half:
                    yield Note(IN_FULL, warning=True)
                if self.exhausted:
                    return

    @property
    def exhausted(self) -> bool:
        """More training seems to be of no use."""
        return 0 < self.spec.train.patience <= self._stale and self.progress.step - self._gained >= LEAST_STEPS

    def learn_from(self, sampler: PatchSampler, held_out: Batch | None) -> None:
        """Learn from this annotation, and score on what is held out of it."""
        self.sampler, self.held_out = sampler, held_out
        found = set() if held_out is None else set(held_out.target.unique().tolist())
        self._comparable = bool(found) and all(n in found for n, painted in enumerate(sampler.counts) if painted)
        """Something of every class that is learnt is held out: its loss tells which of two models is better."""

    def begin_anew(self, *, other: bool = True) -> None:
        """Judge anew what is best, and be patient: there is something new, which no model has seen yet.

        Parameters
        ----------
        other
            What is held out has changed as well, or what it counts.
        """
        self.best_loss = math.inf
        self._stale, self._mark, self._gained = 0, math.inf, self.progress.step
        if self.history:
            self.since = {"anew": True, "other": other or self.since["other"]}

    def _step(self, rate: float) -> float:
        """One step of gradient descent; returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.sampler.draw(self.batch)
        train_mode(self.network)
        if self.anchor is not None:  # the statistics of a few strokes are no better than what it knows
            keep_statistics(self.network)
        loss = self._loss(batch)
        value = loss.item()
        if not math.isfinite(value):
            if self._may_be_too_large:
                raise TooLargeError
            raise DivergedError(f"the loss became {value} at step {self.progress.step + 1}")
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self._update_average()
        self._look()
        return value

    @property
    def _may_be_too_large(self) -> bool:
        """What is not finite may be so merely because float16 ends at 65,504."""
        return self.half and number_type(self.device, half=True) == torch.float16

    @torch.no_grad()
    def _look(self) -> None:
        """See how often the classes occur, in one place every now and then."""
        number, rest = divmod(self.progress.step, EVERY)
        if self.prior is None or rest:
            return
        images, target = self.sampler.look(number)
        self.prior.look(self._forward(self.average, images), target)

    def _loss(self, batch: Batch) -> Tensor:
        target = batch.target.to(self.device)
        border = None if batch.weights is None else batch.weights.to(self.device)
        weights = pixel_weights(target, border, self.class_weights)
        outputs = self._forward(self.network, batch.images)
        loss = self.loss(outputs, target, weights)
        if self.anchor is not None and float((target == IGNORE).float().mean()) > RIM:
            images = batch.images.to(self.device)
            turn = self.turns[self.progress.step % len(self.turns)]
            loss = loss + self.spec.train.anchor * self.anchor.loss(outputs, images, target, turn)
        return loss

    def _forward(self, network: nn.Module, images: Tensor) -> Tensor:
        images = images.to(self.device).contiguous(memory_format=self.format)
        with autocast(self.device, half=self.half):
            outputs: Tensor = network(images)
        return outputs.float()

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the averaged weights towards the current ones; BatchNorm statistics are copied."""
        step = self.progress.step
        decay = min(self.spec.train.averaging, (1 + step) / (10 + step))
        for slow, fast in zip(self.average.parameters(), self.network.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)
        for kept, new in zip(self.average.buffers(), self.network.buffers(), strict=True):
            kept.copy_(new)

    def offered(self) -> nn.Module:
        """Copy the averaged weights, corrected by how often the classes turned out to occur: what users get."""
        network = copy.deepcopy(self.average)
        if self.prior is not None:
            rescale(network, 1.0, self.prior.shift)
        return network

    def _report(self, loss: float) -> StepDone:
        part = self.progress.part(self.spec)
        left = self.progress.seconds * (1 - part) / max(part, 1e-6)
        return StepDone(self.progress.step, loss, part, self.progress.seconds, left)

    def settle(self) -> list[Event]:
        """Score what was learnt since the last check, so that nothing is lost when a training is stopped."""
        if self.progress.step <= self.progress.checked:
            return []
        try:
            return [self.check()]
        except DivergedError as error:
            return [Note(self._roll_back(str(error)), warning=True)]

    def check(self) -> CheckDone:
        """Score the averaged weights on the held-out part and keep them if they are the best so far.

        Raises
        ------
        DivergedError
            If they, or what they give, are not finite.
        """
        began = time.perf_counter()
        self.progress.checks += 1
        self.progress.checked = self.progress.step
        try:
            offered, event = self._judge()
        except DivergedError:
            if not self._may_be_too_large:
                raise
            self._take_full()
            offered, event = self._judge()
        event = replace(event, anew=self.since["anew"], other=self.since["other"])
        self.since = dict.fromkeys(self.since, False)
        self.progress.seconds += time.perf_counter() - began
        self._follow(event.loss if self._comparable else None)
        if event.best:
            self.best_step = event.step
            self.best_shift = [] if self.prior is None else self.prior.shift
            self.best = {k: v.detach().cpu().clone() for k, v in offered.state_dict().items()}
        self.keep()
        known = {"held_out": event.loss, "scores": event.scores, "comparable": self._comparable}
        self.history.append({"step": event.step, **known, "anew": event.anew, "other": event.other})
        return event

    def _judge(self) -> tuple[nn.Module, CheckDone]:
        """Score what would be offered now; raises `DivergedError` if that is not finite."""
        self.recalibrate()
        offered = self.offered()
        event = self._score(offered)
        self._require_sound(event.loss)
        return offered, event

    def _follow(self, held_out: float | None) -> None:
        """Note whether the held-out loss still falls."""
        if held_out is None or held_out < (1 - GAIN) * self._mark:
            self._stale, self._mark = 0, math.inf if held_out is None else held_out
            self._gained = self.progress.step
        else:
            self._stale += 1

    @torch.no_grad()
    def recalibrate(self, batches: int = RECALIBRATION) -> None:
        """Estimate the BatchNorm statistics of the averaged weights anew.

        The running statistics lag behind the weights, and after a short training they are far off.
        """
        if self.anchor is not None:
            return
        norms = [m for m in free_modules(self.average) if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d)]
        if not norms:
            return
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches
            norm.train()
        with self.sampler.undisturbed():
            for _ in range(batches):
                self._forward(self.average, self.sampler.draw(self.batch).images)
        self.average.eval()

    @torch.no_grad()
    def _score(self, network: nn.Module) -> CheckDone:
        names = [c.name for c in self.spec.target.classes]
        step = self.progress.step
        if self.held_out is None:
            return CheckDone(step, None, dict.fromkeys(names), best=True)
        count, at_once = self.held_out.images.shape[0], min(4, self.batch)
        patches = (self.held_out.images[i : i + at_once] for i in range(0, count, at_once))
        outputs = torch.cat([self._forward(network, p).float().cpu() for p in patches])
        weights = pixel_weights(self.held_out.target, None, self.class_weights)
        loss = float(self.loss(outputs, self.held_out.target, weights))
        scores = dice_scores(probabilities(outputs, self.spec.net), self.held_out.target)
        best = loss <= self.best_loss or (math.isfinite(loss) and not self._comparable)  # False for NaN
        self.best_loss = loss if best else self.best_loss
        return CheckDone(step, loss, dict(zip(names, scores, strict=True)), best)

    def with_classes(
        self,
        spec: TrainingSpec,
        network: nn.Module,
        rows: Sequence[int | None],
        sampler: PatchSampler,
        held_out: Batch | None,
        anchor: Anchor | None,
    ) -> Loop:
        """Go on with a network that tells other classes apart; what is the same keeps its weights.

        Parameters
        ----------
        spec, sampler, held_out, anchor
            As they are from now on.
        network
            With weights for the classes that are new.
        rows
            For every output the one here that it goes on with, or None.
        """
        average = copy.deepcopy(network)
        adopt(network, self.network.state_dict(), rows)
        adopt(average, self.average.state_dict(), rows)
        weights = None if anchor is None else anchor.weights
        loop = Loop(network, sampler, held_out, spec, self.device, weights, anchor, half=self.half)
        loop.average.load_state_dict(average.state_dict())
        loop.progress, loop.batch, loop.history = self.progress, self.batch, self.history
        loop.begin_anew()
        loop.keep()
        return loop

    def judge_again(self) -> None:
        """Score the best weights on the held-out part as it is now: it may have changed since they were kept."""
        if not self.best or self.held_out is None:
            return
        best = copy.deepcopy(self.average)
        best.load_state_dict(self.best)
        self.best_loss = math.inf
        self._score(best)

    def go_back(self) -> None:
        """Go on from the best weights: those of a training that was `exhausted` have only got worse since."""
        self.average.load_state_dict(self.best)
        if self.best_shift:
            rescale(self.average, 1.0, [-s for s in self.best_shift])
        self.network.load_state_dict(self.average.state_dict())
        self.optimizer = make_optimizer(self.network, self.spec.train)

    def _snapshot(self) -> Good:
        parts = self.network.state_dict(), self.average.state_dict(), self.optimizer.state_dict()
        return copy.deepcopy((*parts, self.progress, self.prior))

    def is_sound(self) -> bool:
        """Tell whether the state may be saved; if so, it is what a divergence goes back to."""
        if self.learnt and self.good[3] == self.progress:
            return True
        try:
            self._require_sound(None)
        except DivergedError:
            return False
        except torch.OutOfMemoryError:  # the weights are finite, and writing them needs no such memory
            return True
        self.keep()
        return True

    def keep(self) -> None:
        """Note the state as one that is known to be sound."""
        self.good, self.learnt = self._snapshot(), True

    @torch.no_grad()
    def _require_sound(self, held_out: float | None) -> None:
        """Raise `DivergedError` unless weights, held-out loss and predictions are finite."""
        after = f"after step {self.progress.step}"
        if held_out is not None and not math.isfinite(held_out):
            raise DivergedError(f"the held-out loss became {held_out} {after}")
        if first_not_finite(self.network.state_dict()) or first_not_finite(self.average.state_dict()):
            raise DivergedError(f"the weights became NaN or infinite {after}")
        if held_out is None:
            with self.sampler.undisturbed():
                outputs = self._forward(self.average, self.sampler.draw(1).images)
            if not outputs.isfinite().all():
                raise DivergedError(f"the predictions became NaN or infinite {after}")

    def _roll_back(self, what: str) -> str:
        """Go back to the last state that is known to be sound, and say so; to the start if there is none.

        Raises
        ------
        UserError
            If there is none.
        """
        network, average, optimizer, self.progress, self.prior = copy.deepcopy(self.good)
        self.network.load_state_dict(network)
        self.average.load_state_dict(average)
        self.optimizer.load_state_dict(optimizer)
        if not self.learnt:
            raise UserError(
                f"{what}, before anything was learnt that could be kept, so there is no model: "
                "try a lower learning rate"
            )
        return f"{what}: went back to the last good state, of step {self.progress.step}"

    def _clear(self) -> None:
        """Forget what a step that failed has left."""
        self.optimizer.zero_grad(set_to_none=True)
        states = self.optimizer.state
        complete = max(map(len, states.values()), default=0)
        for parameter in [p for p, state in states.items() if len(state) < complete]:
            del states[parameter]  # it was being made
        if self.scaler.is_enabled():  # it may be in the midst of a step
            self.scaler = torch.amp.GradScaler(self.device.type, init_scale=self.scaler.get_scale())
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _take_fewer(self) -> str:
        self.batch //= 2
        return f"the memory is full: going on with {self.batch} patches per step"

    @torch.no_grad()
    def _take_full(self) -> str:
        self.half = False
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=False)
        for known, spoilt in zip(self.average.buffers(), self.network.buffers(), strict=True):
            spoilt.copy_(known)  # BatchNorm has taken the statistics of numbers that were too large
        if self.anchor is not None:
            self.anchor.to(self.device, half=False)
        return IN_FULL
