"""Accounts: the totals of a dataset in lines for people, and the shares of its sound."""

from embed.accounting import Accounting
from jobs.command.terminal import duration


def accounting_text(a: Accounting) -> list[str]:
    """Units, seconds and, where there was sound, its shares: a line each."""
    return [
        f"units    {a.units} listed = {a.embedded} embedded + {a.failed} failed + {a.skipped} skipped",
        f"seconds  {a.decoded_s:.1f} decoded = {a.embedded_s:.1f} embedded + {a.not_speech_s:.1f} not speech"
        f" + {a.lost_s:.1f} lost",
        *coverage_text(a),
    ]


def coverage(accounting: Accounting) -> dict[str, float] | None:
    """Shares of the decoded seconds; None where there were none."""
    if not accounting.decoded_s:
        return None
    parts = {"speech": accounting.embedded_s, "not_speech": accounting.not_speech_s, "lost": accounting.lost_s}
    return {name: round(seconds / accounting.decoded_s, 4) for name, seconds in parts.items()}


def coverage_text(accounting: Accounting) -> list[str]:
    """One line, or none where there was no sound."""
    shares = coverage(accounting)
    if shares is None:
        return []
    parts = ", ".join(f"{100 * share:.1f} % {name.replace('_', ' ')}" for name, share in shares.items())
    return [f"coverage {parts}, of {duration(accounting.decoded_s)} of sound"]
