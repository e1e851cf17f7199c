"""Section 3: training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QProgressBar,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_unet.plugin.sections.base import Rows, Section, button, note
from napari_unet.plugin.sections.plot import LossPlot
from napari_unet.plugin.words import count, duration, held_out
from napari_unet.spec import TrainSpec

ENDLESS = 86_400
"""Seconds that 'until I stop' means at most."""
CHECK_EVERY = 15
"""Seconds between two scores of the held-out strokes (and checkpoints)."""
CHECK_EVERY_STEPS = 50
PATIENCE = 4
"""Scores in a row that are no better, after which a training ends."""
MOST_SECONDS = 9_999_999
MOST_STEPS = 99_999_999


def checks_in(seconds: float) -> int:
    """Say how often to score in a training of so many seconds.

    Examples
    --------
    >>> checks_in(30), checks_in(600)
    (6, 40)
    """
    return max(6, int(seconds) // CHECK_EVERY)


def checks_in_steps(steps: int) -> int:
    """Say how often to score in a training of so many steps.

    Examples
    --------
    >>> checks_in_steps(100), checks_in_steps(5000)
    (6, 100)
    """
    return max(6, steps // CHECK_EVERY_STEPS)


def checks_of(spec: TrainSpec) -> int:
    """Say how often to score within a budget; this many checkpoints a crash or a power cut needs."""
    return checks_in_steps(spec.steps) if spec.steps is not None else checks_in(spec.seconds or 60)


def more_of(budget: TrainSpec, seconds: float, steps: int) -> TrainSpec:
    """Give the whole budget of a training that goes on.

    Parameters
    ----------
    budget
        What comes on top.
    seconds, steps
        What is over.

    Examples
    --------
    >>> more_of(TrainSpec(seconds=150), 600, 1000).seconds, more_of(TrainSpec(steps=50), 600, 1000).steps
    (750.0, 1050)
    """
    if budget.steps is not None:
        whole = budget.model_copy(update={"steps": budget.steps + steps})
    else:
        whole = budget.model_copy(update={"seconds": (budget.seconds or 60) + seconds})
    return whole.model_copy(update={"checks": max(budget.checks, checks_of(whole))})


class BudgetForm(QWidget):
    """Edits how long a `TrainSpec` trains, and how often it is scored; what is not edited stays as it is."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.seconds = _spin(MOST_SECONDS, 30, "Seconds to train")
        self.seconds.setToolTip("How long to train. A minute or two shows whether the strokes are right.")
        self.steps = _spin(MOST_STEPS, 50, "Steps to train")
        self.steps.setToolTip("How many steps to train; each learns from a few patches.")
        self.unit = QComboBox()
        self.unit.addItems(["seconds", "steps"])
        self.unit.setAccessibleName("Seconds or steps")
        self.unit.setToolTip("Train for a time, or for a number of steps, as some recipes say.")
        self.endless = QCheckBox("until I stop")
        self.endless.setToolTip("Train until Stop is pressed (a day at most).")
        self.patient = QCheckBox("Stop by itself")
        self.patient.setToolTip(
            f"End the training before its time when {PATIENCE} scores of held-out strokes in a row are no better\n"
            "than the best; that model is kept."
        )
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(4)
        for part in (self.seconds, self.steps):
            line.addWidget(part, 1)
        line.addWidget(self.unit)
        line.addWidget(self.endless)
        for changed in (self.endless.toggled, self.unit.currentIndexChanged):
            changed.connect(self._show_fields)
        for changed in (
            self.endless.toggled,
            self.patient.toggled,
            self.unit.currentIndexChanged,
            self.seconds.valueChanged,
            self.steps.valueChanged,
        ):
            changed.connect(lambda *_: self.edited.emit())
        self.setValue(TrainSpec(seconds=120, patience=PATIENCE))

    @property
    def _asked(self) -> tuple[bool, str, int]:
        """What the widgets say."""
        unit = self.unit.currentText()
        return self.endless.isChecked(), unit, (self.steps if unit == "steps" else self.seconds).value()

    def value(self) -> TrainSpec:
        """Return the spec as edited.

        Training without an end keeps its learning rate, as there is no end to lower it for.
        """
        endless, unit, number = self._asked
        update: dict[str, Any] = {"checks": max(self._spec.checks, checks_of(self._spec))}
        if self._asked != self._shown and endless:
            update = {"seconds": float(ENDLESS), "steps": None, "checks": checks_in(ENDLESS), "warmup": 0.0}
        elif self._asked != self._shown and unit == "steps":
            update = {"seconds": None, "steps": number, "checks": checks_in_steps(number)}
        elif self._asked != self._shown:
            update = {"seconds": float(number), "steps": None, "checks": checks_in(number)}
        patient = self.patient.isChecked() and not endless
        if patient != (self._spec.patience > 0):
            update["patience"] = PATIENCE if patient else 0
        return TrainSpec.model_validate({**dict(self._spec), **update})

    def setValue(self, spec: TrainSpec) -> None:
        """Show a spec."""
        self._spec = spec
        blocked = self.blockSignals(True)
        self.endless.setChecked(spec.seconds == ENDLESS and spec.warmup == 0)
        self.patient.setChecked(spec.patience > 0)
        self.unit.setCurrentText("seconds" if spec.steps is None else "steps")
        self.seconds.setValue(round(spec.seconds or (60 if spec.steps is None else self.seconds.value())))
        self.steps.setValue(spec.steps or self.steps.value())
        self.blockSignals(blocked)
        self._show_fields()
        self._shown = self._asked

    def _show_fields(self, *_: object) -> None:
        of_steps = self.unit.currentText() == "steps"
        self.seconds.setVisible(not of_steps)
        self.steps.setVisible(of_steps)
        for part in (self.seconds, self.steps, self.unit, self.patient):
            part.setDisabled(self.endless.isChecked())


def _spin(most: int, step: int, name: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(1, most)
    box.setSingleStep(step)
    box.setGroupSeparatorShown(True)
    box.setAccessibleName(name)
    return box


class TrainSection(Section):
    """Starts and stops the training and shows how it goes."""

    train = Signal()
    go_on = Signal()
    pause = Signal()
    stop = Signal()

    def __init__(self) -> None:
        super().__init__("3  Train", "Let the network learn from what is painted.")
        self.budget = BudgetForm()
        rows = Rows()
        rows.add("Time", self.budget)
        self.rows.addLayout(rows)
        self.train_button = button(
            "Train", "Learn from the strokes, from the beginning (key {train}: train or stop).", self.train.emit
        )
        self.go_on_button = button(
            "Go on",
            "Train further with the strokes as they are now: the last training, or the model opened since.",
            self.go_on.emit,
        )
        self.pause_button = button("Pause", "Hold the training, or let it go on.", self.pause.emit)
        self.stop_button = button(
            "Stop", "End the training and keep what was learnt (key {train}).", self.stop.emit
        )
        line = QHBoxLayout()
        line.setSpacing(4)
        for made in (self.train_button, self.go_on_button, self.pause_button, self.stop_button):
            line.addWidget(made)
        self.rows.addLayout(line)
        self.by_itself = QCheckBox("Start by itself")
        self.by_itself.setToolTip(
            "Train a second after the brush rests, once two classes are painted; after a training has ended,\n"
            "new strokes let it go on. After Stop it waits for Train or Go on."
        )
        self.by_itself.setChecked(True)
        line = QHBoxLayout()
        line.addWidget(self.by_itself)
        line.addWidget(self.budget.patient)
        self.rows.addLayout(line)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(True)
        self.bar.setFormat("")
        self.plot = LossPlot()
        self.scores = note()
        self.scores.setToolTip("Overlap (Dice) of prediction and strokes it has not learnt from; 1 is perfect.")
        legend = self.plot.legend
        legend.setToolTip(self.plot.toolTip())
        self._progress = QWidget()
        column = QVBoxLayout(self._progress)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for part in (self.bar, self.plot, legend, self.scores):
            column.addWidget(part)
        self.rows.addWidget(self._progress)
        self._progress.hide()  # until there is progress: a small screen has room for all buttons then
        self.clear_progress()

    def clear_progress(self) -> None:
        """Begin anew."""
        self.plot.clear_curves()
        self.clear_bar()
        self.scores.setText("Held out: no score yet")

    def clear_bar(self) -> None:
        """Show that nothing is under way."""
        self.waiting = False
        self.bar.setValue(0)
        self.bar.setFormat("")

    def show_waiting(self, text: str) -> None:
        """Show why there is no progress yet."""
        self.waiting = True
        self._progress.show()
        self.bar.setFormat(text)

    def show_download(self, done: int, total: int) -> None:
        """Show how far a download is, in bytes."""
        self._progress.show()
        self.bar.setValue(round(1000 * done / max(total, 1)))
        self.bar.setFormat("checking ..." if done == total else f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")

    def show_step(self, step: int, progress: float, seconds_left: float) -> None:
        """Show how far the training is."""
        self.waiting = False
        self.bar.setValue(round(progress * 1000))
        endless = seconds_left > ENDLESS / 2
        self.bar.setFormat(f"step {step}" + ("" if endless else f", {duration(seconds_left)} left"))

    def show_stopping(self) -> None:
        """Show that it ends: the time that was left says nothing any more."""
        self.bar.setFormat("stopping ...")

    def show_end(self, steps: int, seconds: float) -> None:
        """Show what a training that has ended did."""
        self.bar.setFormat(f"{count(steps, 'step', 'steps')} in {duration(seconds)}")

    def show_scores(self, scores: Mapping[str, float | None], step: int | None = None) -> None:
        """Show the held-out score of every class; ``step``: of a model that is not the last one."""
        self.scores.setText(held_out(scores, step))
