"""The date moved by libfaketime: for one process, or for a product with its PostgreSQL."""
import glob


def environment(how, monotonic=False):
    """Variables that move the clock; waits are as long as ever unless monotonic is moved, too."""
    library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")[0]
    still = {} if monotonic else {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {"LD_PRELOAD": library, "FAKETIME_DONT_RESET": "1", **still, **how}


class Clock:
    """A clock that a test moves on while processes run by it."""

    def __init__(self, folder):
        folder.chmod(0o755)  # PostgreSQL reads it as somebody else
        self.file, self.ahead_s = folder / "clock", 0
        self.forward(0)

    def forward(self, seconds):
        self.ahead_s += seconds
        self.file.with_suffix(".new").write_text(f"+{self.ahead_s}s")
        self.file.with_suffix(".new").rename(self.file)

    def back(self, seconds):
        self.forward(-seconds)

    def environment(self, monotonic=False):
        return environment({"FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1"},
                           monotonic)


def arguments(variables):
    """For run.py: all services and PostgreSQL get these."""
    return [x for name, value in variables.items() for x in ("--env", f"{name}={value}")]
