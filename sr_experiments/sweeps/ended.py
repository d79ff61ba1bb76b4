"""How a sweep that is not complete says so."""

from collections.abc import Sequence


class SweepEnded(Exception):
    """A sweep that is over and not complete.

    Attributes:
        messages: What to say of its failures, each once.
        code: The exit code.
        advice: How it is completed.
    """

    def __init__(self, messages: Sequence[str], *, code: int, advice: str) -> None:
        """Keep what there is to say."""
        super().__init__("\n".join(messages))
        self.messages, self.code, self.advice = list(messages), code, advice
