"""What is segmented: the layers it comes in, and which of them are seen."""

from __future__ import annotations

import numpy as np

from napari_unet.engine.client import ModelInfo
from napari_unet.events import CellsDone, Note
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.spec import (
    BOUNDARY,
    CELL,
    TrainingSpec,
    UNetSpec,
)
from plugin_tools import MODEL, Desk, a_block, a_preview, an_output, result


def segment(desk: Desk, *, slice_only: bool = True, z: int = 0, value: int = 1) -> None:
    desk.engine.model = MODEL
    desk.controller.segment(SegmentRequest("slice" if slice_only else "stack", ("boundaries", "cells")))
    desk.controller.on_outputs((an_output("boundaries", (4, 40, 50)), an_output("cells", (4, 40, 50), "int32")))
    planes = [z] if slice_only else range(4)
    for plane in planes:
        at = (plane, slice(0, 40), slice(0, 50))
        desk.controller.on_block(a_block("boundaries", at, np.ones((40, 50), np.uint8)))
        desk.controller.on_block(a_block("cells", at, np.full((40, 50), value, np.int32)))
        desk.controller.on_event(CellsDone(plane + 1, len(planes), 1))
    desk.controller.on_job_finished(result("predict"))


def eyes(desk: Desk) -> dict[str, bool]:
    return {layer.name: layer.visible for layer in desk.viewer.layers}


def test_only_one_of_preview_and_results_is_visible(desk: Desk) -> None:
    desk.paint()
    desk.controller.on_preview(a_preview((40, 50), z=desk.controller.live.plane[1]))
    segment(desk)
    seen = {"stack": True, "strokes": True}
    assert eyes(desk) == seen | dict.fromkeys(["U-Net preview", "boundaries"], False) | {"cells": True}
    assert [x.name for x in desk.viewer.layers][-3] == "strokes"  # below the results
    assert not desk.controller.live.on
    desk.viewer.dims.set_current_step(0, 3)
    assert not desk.viewer.layers["U-Net preview"].visible

    desk.viewer.layers["boundaries"].visible = True
    desk.controller.trainer.train(TrainingSpec(), go_on=False)
    assert desk.controller.live.on
    assert eyes(desk) == {
        "stack": True,
        "U-Net preview": True,
        "strokes": True,
        "boundaries": False,
        "cells": False,
    }
    desk.finish_training()
    segment(desk)
    assert eyes(desk) == {
        "stack": True,
        "U-Net preview": False,
        "strokes": True,
        "boundaries": True,
        "cells": True,
    }


def test_earlier_results_do_not_shine_through(desk: Desk) -> None:
    segment(desk, slice_only=False)
    segment(desk, slice_only=False)
    assert [name for name, visible in eyes(desk).items() if visible] == ["stack", "cells [1]"]


def test_results_lie_where_the_image_does(desk: Desk) -> None:
    segment(desk, slice_only=False)
    for name in ("boundaries", "cells"):
        layer = desk.viewer.layers[name]
        assert (np.asarray(layer.data) == 1).all()
        np.testing.assert_array_equal(layer.scale, desk.image.scale)
        np.testing.assert_array_equal(layer.translate, desk.image.translate)
        assert layer.units == desk.image.units
        assert layer.axis_labels == desk.image.axis_labels
    assert "4 cells" in desk.said


def test_the_slice_is_filled_again_but_edited_layers_are_kept(desk: Desk) -> None:
    segment(desk, z=0, value=1)
    segment(desk, z=2, value=5)
    cells = desk.viewer.layers["cells"]
    assert [int(p.max()) for p in cells.data] == [1, 0, 5, 0]
    cells.selected_label = 9
    cells.paint((0, 5, 5), 9)
    segment(desk, z=0, value=3)
    assert cells.data.max() == 9
    assert desk.viewer.layers["cells [1]"].data.max() == 3


def test_a_whole_stack_never_overwrites(desk: Desk) -> None:
    segment(desk, slice_only=False, value=1)
    segment(desk, slice_only=False, value=2)
    assert (desk.viewer.layers["cells"].data == 1).all()
    assert (desk.viewer.layers["cells [1]"].data == 2).all()


def test_layers_removed_while_a_job_runs_do_no_harm(desk: Desk) -> None:
    desk.engine.model = MODEL
    desk.controller.segment(SegmentRequest("stack", ("boundaries",)))
    desk.viewer.layers.remove(desk.image)
    desk.controller.on_outputs((an_output("boundaries", (4, 40, 50)),))
    desk.viewer.layers.remove("boundaries")
    desk.controller.on_block(a_block("boundaries", (0, slice(0, 40), slice(0, 50)), np.ones((40, 50), np.uint8)))
    desk.controller.on_job_finished(result("predict"))
    assert desk.said == "Segmented, but 'boundaries' was deleted: nothing of it is left."


def test_results_come_although_the_image_is_gone_or_renamed(desk: Desk) -> None:
    desk.engine.model = MODEL
    desk.controller.segment(SegmentRequest("stack", ("boundaries",)))
    desk.image.name = "new name"
    desk.viewer.layers.remove(desk.image)
    desk.controller.on_outputs((an_output("boundaries", (4, 40, 50)),))
    np.testing.assert_array_equal(desk.viewer.layers["boundaries"].scale, (3, 0.5, 0.5))


def test_wrong_number_of_channels(desk: Desk) -> None:
    desk.engine.model = ModelInfo(classes=(CELL, BOUNDARY), net=UNetSpec(in_channels=2))
    desk.controller.segment(SegmentRequest("slice", ("cells",)))
    assert desk.engine.count("predict") == 0
    assert "needs 2 channels, 'stack' has 1" in desk.said


def test_cancel_answers_at_once_and_notes_do_not_cover_it(desk: Desk) -> None:
    desk.engine.model = MODEL
    desk.controller.segment(SegmentRequest("stack", ("cells",)))
    desk.controller.cancel()
    assert desk.messages[-1].text.startswith("Cancelling, once the engine has finished what it is at")
    desk.controller.on_event(Note("No GPU found: computing on the CPU"))
    desk.controller.cancel()
    assert desk.messages[-1].text.startswith("Cancelling")
    assert desk.engine.count("stop") == 1
    desk.controller.on_job_finished(result("predict", "stopped"))
    assert desk.messages[-1].text.startswith("Cancelled: ")
