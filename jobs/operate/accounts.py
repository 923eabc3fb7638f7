"""What share of the sound was speech, was none, was lost."""

from embed.accounting import Accounting
from jobs.command.terminal import duration


def coverage(accounting: Accounting) -> dict[str, float] | None:
    """Shares of the decoded seconds; None where there were none."""
    if not accounting.decoded_s:
        return None
    parts = {"speech": accounting.embedded_s, "not_speech": accounting.not_speech_s, "lost": accounting.lost_s}
    return {name: round(seconds / accounting.decoded_s, 4) for name, seconds in parts.items()}


def coverage_in_words(accounting: Accounting) -> list[str]:
    """One line, or none where there was no sound."""
    shares = coverage(accounting)
    if shares is None:
        return []
    told = ", ".join(f"{100 * share:.1f} % {name.replace('_', ' ')}" for name, share in shares.items())
    return [f"coverage {told}, of {duration(accounting.decoded_s)} of sound"]
