"""Every form: spec in, the same spec out; an edit changes one field."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox

from napari_unet.nets import geometry_of
from napari_unet.plugin.sections import setting_rows
from napari_unet.plugin.sections.advanced import AdvancedSection
from napari_unet.plugin.sections.annotate import AnnotateSection, TargetForm
from napari_unet.plugin.sections.net_form import NETS
from napari_unet.plugin.sections.segment import CellForm, SegmentSection
from napari_unet.plugin.sections.setting_rows import NO_AUGMENT
from napari_unet.plugin.sections.train import ENDLESS, BudgetForm, TrainSection
from napari_unet.spec import (
    RECIPES,
    WITH_ENCODER,
    AugmentSpec,
    CellSpec,
    NetSpec,
    PretrainedUNetSpec,
    TargetSpec,
    TilingSpec,
    TrainSpec,
    UNet3DSpec,
    UNet2015Spec,
    UNetDiceSpec,
    UNetKerasSpec,
    UNetSpec,
    VGG16UNetSpec,
    VNetSpec,
)
from napari_unet.spec.recipes import PAPER_AUGMENT


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


LEVELS = UNet3DSpec(depth=1, strides=((1, 2, 2),), kernels=((1, 3, 3), (3, 3, 3)))


@pytest.mark.parametrize(
    "spec",
    [
        UNetSpec(base=24, depth=4, up="resize", skips="sum", activation="sigmoid"),
        UNetSpec(ndim=3),
        UNet3DSpec(base=8),
        LEVELS,
        UNet2015Spec(base=1000, depth=5, dropout=0.99, batchnorm=True),
        UNetKerasSpec(depth=2, dropout=0.1),
        UNetDiceSpec(batchnorm=True),
        VGG16UNetSpec(dropout=0, activation="softmax"),
        VNetSpec(depth=1),
        PretrainedUNetSpec(base=8, in_channels=3, classes=3),
    ],
)
def test_net_round_trip(qtbot: QtBot, spec: NetSpec) -> None:
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


@pytest.mark.parametrize("name", list(NETS))
def test_a_network_has_rows_for_its_own_settings_and_says_what_it_is_for(qtbot: QtBot, name: str) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    section.unfold(True)
    section.net.kind.setCurrentText(name)
    assert section.net.purpose.text() == NETS[name].purpose
    assert NETS[name].purpose in section.net.kind.toolTip()
    edited = {"base", "depth", "up", "skips", "dropout", "batchnorm", "activation"}
    shown = [n for n, form in section.net.forms.items() if form.isVisibleTo(section)]
    assert shown == [name]
    assert set(section.net.forms[name]._editors) == edited & set(NETS[name].model_fields)
    assert section.encoder.isVisibleTo(section) == (name in WITH_ENCODER)


def test_depths_are_those_that_a_network_allows(qtbot: QtBot) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    limits = {}
    for name in ("unet", "unet-keras", "vnet"):
        depth = section.net.forms[name].editor("depth")
        assert isinstance(depth, QSpinBox)
        limits[name] = (depth.minimum(), depth.maximum())
    assert limits == {"unet": (1, 6), "unet-keras": (2, 6), "vnet": (1, 4)}


def test_another_depth_forgets_levels_told_one_by_one(qtbot: QtBot) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    section.net.setValue(LEVELS)
    depth = section.net.forms["unet3d"].editor("depth")
    assert isinstance(depth, QSpinBox)
    depth.setValue(2)
    assert section.net.value() == UNet3DSpec(depth=2)


def test_an_edit_changes_one_field(qtbot: QtBot) -> None:
    """Fields without a row, and values that a row cannot show, stay as they are."""
    section = AdvancedSection()
    qtbot.addWidget(section)
    spec = TrainSpec(learning_rate=1e-12, batch=5000, dice_squared=True, weight_decay=0.5, augment=PAPER_AUGMENT)
    section.train.setValue(spec)
    assert section.train.value() == spec
    optimizer = section.train.editor("optimizer")
    assert isinstance(optimizer, QComboBox)
    assert not section.train.editor("momentum").isVisibleTo(section.train)
    with qtbot.waitSignal(section.edited):
        optimizer.setCurrentIndex(2)
    assert section.train.value() == spec.model_copy(update={"optimizer": "sgd"})
    assert section.train.editor("momentum").isVisibleTo(section.train)


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_goes_through_the_forms_unchanged(qtbot: QtBot, name: str) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    section.setValue(RECIPES[name].spec)
    assert section.value() == RECIPES[name].spec


def test_numbers_show_as_many_decimals_as_they_have(qtbot: QtBot) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    rate = section.train.editor("learning_rate")
    assert isinstance(rate, QDoubleSpinBox)
    shown = []
    for value in (3e-3, 1e-5, 1e-9, 1.0):
        section.train.setValue(TrainSpec(learning_rate=value))
        shown.append(rate.text())
    assert shown == ["0.003", "0.00001", "0.000000001", "1"]
    rate.setValue(0.5)
    assert section.train.value().learning_rate == 0.5


def test_patches_fit_the_network(qtbot: QtBot) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    patch = section.train.editor("patch")
    assert isinstance(patch, QComboBox)
    section.setValue(RECIPES["unet2015"].spec)
    assert patch.currentText() == "572 x 572"
    section.net.kind.setCurrentText("unet")
    assert section.value().train.patch is None  # which takes multiples of 8
    section.net.kind.setCurrentText("vnet")
    assert section.value().train.patch is None
    patch.setCurrentIndex(2)
    assert section.value().train.patch == (24, 80, 80)
    section.net.kind.setCurrentText("unet2015")
    assert section.value().train.patch is None
    assert [patch.itemText(i) for i in range(3)] == ["automatic", "284 x 284", "380 x 380"]
    for size in [(284, 284), (380, 380), (476, 476), (572, 572)]:
        assert geometry_of(UNet2015Spec()).output_shape(size) is not None


def test_a_network_without_an_encoder_starts_as_it_must(qtbot: QtBot) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    section.setValue(RECIPES["vgg16-frozen"].spec)
    assert section.value().train.freeze_encoder
    section.net.kind.setCurrentText("unet")
    start = section.value().train
    assert (start.encoder_weights, start.freeze_encoder, start.encoder_file) == ("random", False, None)
    section.net.kind.setCurrentText("pretrained-unet")
    assert (section.value().train.encoder_weights, section.value().train.freeze_encoder) == ("imagenet", True)


def test_a_file_of_weights(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    section.setValue(RECIPES["vgg16-frozen"].spec)
    box = section.encoder.editor("encoder_file")
    assert isinstance(box, QComboBox)
    assert box.isVisibleTo(section.encoder)
    answers = [Path("mine.pth"), None]
    monkeypatch.setattr(setting_rows, "ask_for_weights_file", lambda: answers.pop(0))

    def choose(index: int) -> Path | None:
        box.setCurrentIndex(index)
        box.activated.emit(index)
        return section.value().train.encoder_file

    assert [box.itemText(i) for i in range(box.count())] == ["as published", "a file ..."]
    assert choose(1) == Path("mine.pth")
    assert box.currentText() == "mine.pth"
    assert choose(2) == Path("mine.pth")  # the question was answered with Cancel
    assert box.currentText() == "mine.pth"
    assert choose(0) is None
    assert section.value() == RECIPES["vgg16-frozen"].spec
    section.encoder.setValue(TrainSpec())
    assert not box.isVisibleTo(section.encoder)


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        (TargetSpec(), {"weight_map"}),
        (TargetSpec(style="cells", rim=3), {"weight_map", "rim"}),
        (TargetSpec(weight_map=True, border_weight=7.5), {"weight_map", "border_weight", "border_sigma"}),
    ],
)
def test_rows_of_the_target(qtbot: QtBot, spec: TargetSpec, shown: set[str]) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    section.target.setValue(spec)
    assert section.target.value() == spec
    assert {n for n in section.target._editors if section.target.editor(n).isVisibleTo(section.target)} == shown


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


@pytest.mark.parametrize(
    ("spec", "text", "checks"),
    [
        (TrainSpec(seconds=36_000), "36,000 seconds", 2400),
        (TrainSpec(steps=300, checks=3), "300 steps", 6),
        (TrainSpec(seconds=0.5, checks=9), "1 seconds", 9),
        (TrainSpec(seconds=20, checks=100, batch=7, warmup=0.3), "20 seconds", 100),
    ],
)
def test_the_time_is_shown_as_it_is_told(qtbot: QtBot, spec: TrainSpec, text: str, checks: int) -> None:
    form = BudgetForm()
    qtbot.addWidget(form)
    form.setValue(spec)
    box = form.steps if spec.steps else form.seconds
    assert f"{box.text()} {form.unit.currentText()}" == text
    assert [b.isVisibleTo(form) for b in (form.seconds, form.steps)] == [not spec.steps, bool(spec.steps)]
    assert form.value() == spec.model_copy(update={"checks": checks})
    assert form.value().warmup == spec.warmup


def test_an_edited_time_replaces_the_other_kind(qtbot: QtBot) -> None:
    form = BudgetForm()
    qtbot.addWidget(form)
    form.setValue(TrainSpec(seconds=36_000, checks=2400))
    form.seconds.setValue(60)
    assert (form.value().seconds, form.value().steps, form.value().checks) == (60, None, 6)
    form.unit.setCurrentText("steps")
    form.steps.setValue(1000)
    assert (form.value().seconds, form.value().steps, form.value().checks) == (None, 1000, 20)
    form.endless.setChecked(True)
    endless = form.value()
    assert (endless.seconds, endless.steps) == (ENDLESS, None)
    form.setValue(endless)
    assert form.endless.isChecked()
    assert form.value() == endless


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
    assert section.scope.scope() == "slice"


def test_scores_that_are_not_there_are_said_so(qtbot: QtBot) -> None:
    section = TrainSection()
    qtbot.addWidget(section)
    section.show_scores({"cell": 0.912, "boundary": None})
    assert section.scores.text() == (
        "Held out: cell 0.91 · boundary n/a\n"
        "n/a: nothing of boundary is held out yet; paint some of it, also away from the other strokes."
    )
    section.show_scores({"cell": 0.912, "boundary": 0.5})
    assert section.scores.text() == "Held out: cell 0.91 · boundary 0.50"


def test_the_plot_keeps_a_bounded_number_of_points(qtbot: QtBot) -> None:
    section = TrainSection()
    qtbot.addWidget(section)
    for step in range(5000):
        section.plot._points.append((step, 1.0))
    section.plot.add_step(5000, 1.0)
    assert len(section.plot._points) <= 2600
    section.plot.clear_curves()
    assert section.plot._points == []


def test_what_is_segmented(qtbot: QtBot) -> None:
    section = SegmentSection()
    qtbot.addWidget(section)
    section.show()
    scope = section.scope
    spans = scope.spans
    changes: list[None] = []
    section.changed.connect(lambda: changes.append(None))
    assert not scope.stack_button.isVisible()
    scope.show_sizes(1, 1)
    assert scope.slice_button.text() == "Whole image"
    scope.show_sizes(1, 30)
    scope.stack_button.setChecked(True)
    assert changes
    assert (spans["T"].isVisible(), spans["Z"].isVisible(), scope.draw_button.isVisible()) == (False, True, False)
    assert section.request(TilingSpec()).z is None
    spans["Z"].first.setValue(4)
    spans["Z"].last.setValue(2)
    assert section.request(TilingSpec()).z == (4, 5)
    scope.show_sizes(1, 30)
    assert section.request(TilingSpec()).z == (4, 5)
    scope.show_sizes(6, 20)
    assert (section.request(TilingSpec()).t, section.request(TilingSpec()).z) == (None, None)
    assert spans["T"].isVisible()
    scope.rectangle_button.setChecked(True)
    assert (spans["Z"].isVisible(), scope.draw_button.isVisible()) == (False, True)
    scope.through_box.setChecked(True)
    assert spans["Z"].isVisible()
    assert section.request(TilingSpec()).through
    scope.stack_button.setChecked(True)
    scope.show_sizes(1, 1)
    assert section.request(TilingSpec()).scope == "slice"


def test_the_halo_may_be_exact_measured_or_a_number(qtbot: QtBot) -> None:
    section = AdvancedSection()
    qtbot.addWidget(section)
    halo = section.tiling.editor("halo")
    found = []
    for index in range(halo.count()):
        halo.setCurrentIndex(index)
        found.append(section.tiling.value().halo)
    assert found[:3] == ["exact", "auto", 0]
    section.tiling.setValue(TilingSpec(halo=40))
    assert section.tiling.value().halo == 40
