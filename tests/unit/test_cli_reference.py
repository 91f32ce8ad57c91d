"""`docs/reference/cli.md`, and what shells complete, are what the commands say of themselves."""

from scripts.make_cli_reference import OUTPUT, SKETCH, reference, sketch


def test_the_reference_is_current():
    assert OUTPUT.read_text("utf-8") == reference(), "run scripts/make_cli_reference.py"


def test_what_shells_complete_is_current():
    assert SKETCH.read_text("utf-8") == sketch(), "run scripts/make_cli_reference.py"
