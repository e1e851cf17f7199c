"""The dialog that shows what was found out about this machine."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtGui import QCloseEvent, QGuiApplication
from qtpy.QtWidgets import QApplication, QDialog, QFrame, QHBoxLayout, QLabel, QMainWindow, QVBoxLayout, QWidget

from napari_unet.events import Finding
from napari_unet.plugin.checking import Checking
from napari_unet.plugin.sections.base import Rows, breakable, button, note, scrolled_in
from napari_unet.plugin.status import MARKS
from napari_unet.plugin.window_facts import window_facts

TITLE = "U-Net: check this machine"
BUSY = "Looking at this machine; it takes some seconds ..."
GOOD = "All is well."
COPIED = "Copied. Paste it into your report."


class MachineCheck(QDialog):
    """Shows findings with a mark each, and what to do about them.

    Parameters
    ----------
    parent
        Window that it belongs to.
    checking
        Finds out.
    known
        What is known already.
    """

    def __init__(self, parent: QWidget | None, checking: Checking, known: tuple[Finding, ...] = ()) -> None:
        super().__init__(parent)
        self.setWindowTitle(TITLE)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._checking = checking
        self.findings: list[Finding] = []
        self._rows = Rows()
        self.summary = note()
        self.summary.setAccessibleName("Summary")
        self.copy_button = button("Copy", "Copy everything, for a report of a problem.", self.copy)
        self.close_button = button("Close", "Close this window.", lambda: self.reject())
        self._arrange()
        checking.found.connect(self.show_finding)
        checking.ended.connect(self.show_end)
        for finding in known:
            self.show_finding(finding)
        self.summary.setText(BUSY)
        checking.start()

    def _arrange(self) -> None:
        inside = QWidget()
        inside.setLayout(self._rows)
        line = QHBoxLayout()
        line.addWidget(self.summary, 1)
        line.addWidget(self.copy_button)
        line.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        area = scrolled_in(inside)
        area.setFrameShape(QFrame.Shape.StyledPanel)
        layout.addWidget(area, 1)
        layout.addLayout(line)
        self.resize(760, 460)

    def show_finding(self, finding: Finding) -> None:
        """Add a finding."""
        self.findings.append(finding)
        sign, colour = MARKS["good" if finding.good else "error" if finding.broken else "warning"]
        words = "good" if finding.good else "look"
        text = QLabel(
            f"<b>{escape(finding.what)}</b>: {escape(breakable(finding.found))}"
            + (f"<br><b>What to do:</b> {escape(breakable(finding.cure))}" if finding.cure else "")
        )
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        mark = self._rows.add("", text)
        mark.setText(f"<b style='color:{colour}'>{sign}</b>&nbsp;{words}")
        mark.setAlignment(Qt.AlignmentFlag.AlignTop)

    def show_end(self, problem: str) -> None:
        """Say that no more will come."""
        bad = sum(not finding.good for finding in self.findings)
        look = f"{bad} of {len(self.findings)} findings want a look." if bad else GOOD
        self.summary.setText(problem or look)

    def as_text(self) -> str:
        """Everything that was found, for a report."""
        return "\n".join(map(str, self.findings))

    def copy(self) -> None:
        """Copy everything."""
        QGuiApplication.clipboard().setText(self.as_text())
        self.summary.setText(COPIED)

    def closeEvent(self, event: QCloseEvent) -> None:
        """End the check with the dialog."""
        self._checking.close()
        super().closeEvent(event)


def check_machine() -> MachineCheck:
    """Open the dialog; a command of napari calls this."""
    window = _main_window()
    dialog = MachineCheck(window, Checking(), () if window is None else window_facts(window))
    dialog.show()
    return dialog


def _main_window() -> QMainWindow | None:
    """Give napari's window. Commands get a viewer that hides it."""
    windows = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow) and w.isVisible()]
    active = QApplication.activeWindow()
    return active if active in windows else next(iter(windows), None)
