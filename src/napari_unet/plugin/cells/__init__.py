"""The second dock: cells are looked at, corrected, measured, compared and written."""
