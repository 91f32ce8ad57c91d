"""`docs/reference/cli.md` is what the commands say of themselves."""

from scripts.make_cli_reference import OUTPUT, reference


def test_the_reference_is_current():
    assert OUTPUT.read_text("utf-8") == reference(), "run scripts/make_cli_reference.py"
