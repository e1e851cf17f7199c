"""What is no test here."""

collect_ignore = ["validate.py"]  # runs in an environment of its own, see test_validation.py
