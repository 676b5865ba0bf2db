"""A classifier's verdict as a case hears and stores it."""

from contracts.model import Payload


class Classified(Payload):
    """Which label, how sure, and who says so; tokens are those of the model's call."""

    classifier: str
    label: str
    confidence: float
    reason: str = ""
    model: str | None = None
    prompt_version: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
