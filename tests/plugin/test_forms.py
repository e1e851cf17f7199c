"""Every form: spec in, the same spec out; an edit changes one field."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from napari_unet.plugin.sections.advanced import NETS, NO_AUGMENT, AdvancedSection
from napari_unet.plugin.sections.annotate import AnnotateSection, TargetForm
from napari_unet.plugin.sections.segment import CellForm, SegmentSection
from napari_unet.plugin.sections.train import ENDLESS, BudgetForm, TrainSection
from napari_unet.spec import AugmentSpec, CellSpec, TargetSpec, TilingSpec, TrainSpec, UNet3DSpec, UNetSpec


@pytest.mark.parametrize(
    "spec",
    [
        TargetSpec(),
        TargetSpec(rim=3, weight_map=True),
        TargetSpec(style="cells", dense=True),
        TargetSpec(style="cells", dense=True, unpainted="background"),
        TargetSpec(style="cells", dense=True, unpainted="boundary"),
        TargetSpec(style="cells", background_value=7),
    ],
)
def test_target_round_trip(qtbot: QtBot, spec: TargetSpec) -> None:
    form = TargetForm()
    qtbot.addWidget(form)
    form.setValue(spec)
    assert form.value() == spec


def test_the_form_is_no_wider_than_the_dock_in_either_style(qtbot: QtBot) -> None:
    section = AnnotateSection()
    qtbot.addWidget(section)
    section.show()
    for spec in (TargetSpec(), TargetSpec(style="cells")):
        section.show_target(spec)
        qtbot.wait(10)
        assert section.minimumSizeHint().width() <= 350


@pytest.mark.parametrize("spec", [CellSpec(), CellSpec(method="multicut", beta=0.3, min_size=7, grow=2)])
def test_cells_round_trip(qtbot: QtBot, spec: CellSpec) -> None:
    form = CellForm()
    qtbot.addWidget(form)
    form.setValue(spec)
    assert form.value() == spec
    with qtbot.waitSignal(form.changed) as told:
        form.amount.setValue(70)
    assert told.args == [spec.model_copy(update={"beta": 0.7})]


@pytest.mark.parametrize("spec", [UNetSpec(base=24, depth=4, up="resize"), UNet3DSpec(base=8)])
def test_net_round_trip(qtbot: QtBot, spec: UNetSpec | UNet3DSpec) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    section.net.setValue(spec)
    assert section.net.value() == spec


def test_choosing_a_network_gives_its_defaults(qtbot: QtBot) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    for name, kind in NETS.items():
        section.net.kind.setCurrentText(name)
        assert section.net.value() == kind()


@pytest.mark.parametrize(
    "spec",
    [
        TrainSpec(seconds=30),
        TrainSpec(steps=5, patch=(64, 64), batch=2, learning_rate=1e-4, val_fraction=0, threads=3, seed=9),
        TrainSpec(augment=NO_AUGMENT, device="cpu"),
        TrainSpec(augment=AugmentSpec(rotation=90)),
    ],
)
def test_training_round_trip(qtbot: QtBot, spec: TrainSpec) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    section.train.setValue(spec)
    assert section.train.value() == spec


@pytest.mark.parametrize(
    "spec", [TilingSpec(), TilingSpec(tile=512, halo="auto"), TilingSpec(halo=24, device="cpu")]
)
def test_tiling_round_trip(qtbot: QtBot, spec: TilingSpec) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    section.tiling.setValue(spec)
    assert section.tiling.value() == spec


def test_budget(qtbot: QtBot) -> None:
    form = BudgetForm()
    qtbot.addWidget(form)
    form.seconds.setValue(300)
    assert (form.value().seconds, form.value().checks) == (300, 20)
    form.endless.setChecked(True)
    assert (form.value().seconds, form.value().warmup) == (ENDLESS, 0)


def test_background_strokes_get_a_value(qtbot: QtBot) -> None:
    section = AnnotateSection()
    qtbot.addWidget(section)
    section.show_target(TargetSpec(style="cells"))
    values, targets = [], []
    section.brush_chosen.connect(values.append)
    section.target_changed.connect(targets.append)
    section.background_button.click()
    assert values == [targets[0].background_value]
    assert section.form.value() == targets[0]


def test_outputs(qtbot: QtBot) -> None:
    section = SegmentSection()
    qtbot.addWidget(section)
    assert section.outputs() == ("boundaries", "cells")
    assert section.slice_only()


def test_scores_that_are_not_there_are_said_so(qtbot: QtBot) -> None:
    section = TrainSection()
    qtbot.addWidget(section)
    section.show_scores({"cell": 0.912, "boundary": None})
    assert section.scores.text() == "Held out: cell 0.91 · boundary n/a"


def test_the_plot_keeps_a_bounded_number_of_points(qtbot: QtBot) -> None:
    section = TrainSection()
    qtbot.addWidget(section)
    for step in range(5000):
        section.plot._points.append((step, 1.0))
    section.plot.add_step(5000, 1.0)
    assert len(section.plot._points) <= 2600
    section.plot.clear_curves()
    assert section.plot._points == []
