"""Report of an embedding: the accounting of the version that is published now, and of the run that made it."""

from dataclasses import dataclass
from shlex import quote
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embed.dataset import open_dataset
from embed.dataset.changes import failed_assets
from embed.dataset.runs import Run
from embed.dataset.version import GONE, REPLACED, Version
from embed.quantities import many
from embed.spec import EmbedSpec
from jobs.command.terminal import duration, joined
from jobs.operate.accounts import accounting_text, coverage
from jobs.operate.list_passed_over import passed_over_text
from jobs.operate.reasons import by_reason
from jobs.operate.run_words import run_summary

SOME = 1_000  # failures that are read for the cause of a job that embedded nothing


@dataclass(frozen=True)
class EmbedReport:
    """Result of `deglu embed` and `deglu retry`."""

    url: str
    version: Version
    run: Run
    assets: int
    failed_assets: int
    gone_assets: int
    replaced_assets: int
    failures: int
    lost_s: float
    max_failed_fraction: float
    tolerated_code: int = 3  # by `tolerate` of the spec
    cause: str = ""  # the most frequent reason, where nothing was embedded

    @property
    def new_units(self) -> int:
        """Units that this run has embedded."""
        return self.run.done.units

    @property
    def exit_code(self) -> int:
        """0 complete; 3, or 0 by the spec, with tolerated failures; 1 where nothing was embedded or too many failed."""
        if self.version.accounting.embedded == 0 or self.failed_assets > self.max_failed_fraction * self.assets:
            return 1
        return self.tolerated_code if self.version.accounting.failed or self.failures else 0

    def document(self) -> dict[str, Any]:
        a = self.version.accounting
        return {
            "dataset": self.url,
            "version": self.version.number,
            "assets": self.assets,
            "failed_assets": self.failed_assets,
            "gone_assets": self.gone_assets,
            "replaced_assets": self.replaced_assets,
            "new_units": self.new_units,
            "rows": self.version.rows,
            "failures": self.failures,
            "passed_over": self.run.passed_over,
            "cause": self.cause,
            "accounting": a.model_dump(),
            "coverage": coverage(a),
            "run": self.run.model_dump(mode="json"),
            "space": self.version.space,
            "encoder": self.version.encoder,
            "exit_code": self.exit_code,
        }

    def text(self) -> str:
        lines = [
            f"{self.url} version {self.version.number}: {many(self.version.rows, 'vector')} of"
            f" {many(self.assets, 'asset')}, {many(self.new_units, 'unit')} new in this run",
            *accounting_text(self.version.accounting),
            *run_summary(self.run),
        ]
        lines += passed_over_text(self.run.passed_over, self.url)
        if self.gone_assets or self.replaced_assets:
            lines.append(
                f"assets   {self.gone_assets} gone and {self.replaced_assets} changed since the previous version"
            )
        if self.failures:
            lost = f", {duration(self.lost_s)} lost" if self.lost_s else ""
            lines.append(f"{many(self.failures, 'failure')}{lost}; see with: deglu failures {quote(self.url)}")
        if self.cause:
            lines.append(f"nothing was embedded: {self.cause}")
        return joined(lines)


def report_of(version: Version, assets: pa.Table, changed: pa.Table, run: Run, spec: EmbedSpec) -> EmbedReport:
    """Report of a run that has published these assets; `changed` are TOMBSTONES since the version before."""
    dataset = open_dataset(spec.output, version.number)
    ledger, failures = dataset.ledger(), dataset.failures()
    reasons = changed["reason"].to_pylist()
    return EmbedReport(
        url=dataset.url,
        version=version,
        run=run,
        assets=assets.num_rows,
        failed_assets=failed_assets(ledger, assets),
        gone_assets=reasons.count(GONE),
        replaced_assets=reasons.count(REPLACED),
        failures=failures.num_rows,
        lost_s=pc.sum(failures["lost_s"], min_count=0).as_py(),
        max_failed_fraction=spec.max_failed_fraction,
        tolerated_code=int(spec.tolerate.removeprefix("exit ")),
        cause="" if version.accounting.embedded else _cause(failures),
    )


def _cause(failures: pa.Table) -> str:
    """The most frequent reason among the first failures; empty where there is none."""
    reasons = by_reason(failures.slice(0, SOME).to_pylist())
    if not reasons:
        return ""
    first = reasons[0]
    return (
        f"{first['error_class']}: {first['message']} ({many(first['count'], 'time')}, e.g. {first['example']['uri']})"
    )
