"""Section 3: training."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QProgressBar, QSpinBox, QVBoxLayout, QWidget

from napari_unet.plugin.sections.base import Rows, Section, button, note
from napari_unet.plugin.sections.plot import HELD_OUT, TRAINING, LossPlot
from napari_unet.plugin.words import count, duration
from napari_unet.spec import TrainSpec

ENDLESS = 86_400
"""Seconds that 'until I stop' means at most."""
CHECK_EVERY = 15
"""Seconds between two scores of the held-out strokes (and checkpoints)."""


def checks_in(seconds: float) -> int:
    """Say how often to score in a training of so many seconds.

    Examples
    --------
    >>> checks_in(30), checks_in(600)
    (6, 40)
    """
    return max(6, int(seconds) // CHECK_EVERY)


class BudgetForm(QWidget):
    """Edits how long a `TrainSpec` trains."""

    def __init__(self) -> None:
        super().__init__()
        self._spec = TrainSpec(seconds=120)
        self.seconds = QSpinBox()
        self.seconds.setRange(5, ENDLESS)
        self.seconds.setSingleStep(30)
        self.seconds.setSuffix(" s")
        self.seconds.setAccessibleName("Seconds to train")
        self.seconds.setToolTip("How long to train. A minute or two shows whether the strokes are right.")
        self.endless = QCheckBox("until I stop")
        self.endless.setToolTip("Train until Stop is pressed (a day at most).")
        self.endless.toggled.connect(lambda on: self.seconds.setDisabled(on))
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.seconds, 1)
        line.addWidget(self.endless)
        self.setValue(self._spec)

    def value(self) -> TrainSpec:
        """Return the spec as edited.

        Training without an end keeps its learning rate, as there is no end to lower it for.
        """
        seconds = ENDLESS if self.endless.isChecked() else self.seconds.value()
        update = {"seconds": float(seconds), "steps": None, "checks": checks_in(seconds)}
        if self.endless.isChecked():
            update["warmup"] = 0.0
        return TrainSpec.model_validate(self._spec.model_dump() | update)

    def setValue(self, spec: TrainSpec) -> None:
        """Show a spec."""
        self._spec = spec
        self.endless.setChecked(spec.seconds is not None and spec.seconds >= ENDLESS)
        self.seconds.setValue(int(spec.seconds or 120))


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
            "Train", "Learn from the strokes, from the beginning (key T: train or stop).", self.train.emit
        )
        self.go_on_button = button(
            "Go on", "Train further from the last checkpoint, with the strokes as they are now.", self.go_on.emit
        )
        self.pause_button = button("Pause", "Hold the training, or let it go on.", self.pause.emit)
        self.stop_button = button("Stop", "End the training and keep what was learnt (key T).", self.stop.emit)
        line = QHBoxLayout()
        line.setSpacing(4)
        for made in (self.train_button, self.go_on_button, self.pause_button, self.stop_button):
            line.addWidget(made)
        self.rows.addLayout(line)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(True)
        self.bar.setFormat("")
        self.plot = LossPlot()
        self.scores = note()
        self.scores.setToolTip("Overlap (Dice) of prediction and strokes it has not learnt from; 1 is perfect.")
        legend = QLabel(
            f"Loss <span style='color:{TRAINING}'>&#9632;</span> training "
            f"<span style='color:{HELD_OUT}'>&#9632;</span> held out"
        )
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
        self.bar.setValue(0)
        self.bar.setFormat("")
        self.scores.setText("Held out: no score yet")

    def show_waiting(self, text: str) -> None:
        """Show why there is no progress yet."""
        self._progress.show()
        self.bar.setFormat(text)

    def show_step(self, step: int, progress: float, seconds_left: float) -> None:
        """Show how far the training is."""
        self.bar.setValue(round(progress * 1000))
        endless = seconds_left > ENDLESS / 2
        self.bar.setFormat(f"step {step}" + ("" if endless else f", {duration(seconds_left)} left"))

    def show_end(self, steps: int, seconds: float) -> None:
        """Show what a training that has ended did."""
        self.bar.setFormat(f"{count(steps, 'step', 'steps')} in {duration(seconds)}")

    def show_scores(self, scores: Mapping[str, float | None]) -> None:
        """Show the held-out score of every class."""
        parts = [f"{name} {'n/a' if value is None else format(value, '.2f')}" for name, value in scores.items()]
        self.scores.setText("Held out: " + " · ".join(parts))
