"""Page of a report: one self-contained HTML file with SVG plots, tables that can be sorted, and examples to hear."""

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from evaluate.measures.names import NDCG
from evaluate.report.codes import code_lines, code_tables
from evaluate.report.costs import cost_line, cost_table
from evaluate.report.headroom import NOTE, TITLE, headroom_table, signed
from evaluate.report.plots import codes_figure, ndcg_by_dim_figure
from evaluate.report.report import HEALTH, cells, health_cells, smallest_line, width_rows
from evaluate.report.sections import panels_figure, sections
from evaluate.results import Example, Report, System, Task
from evaluate.sections import Section

STYLE = """
:root { --ink: #1c1c1c; --soft: #5b5b5b; --line: #dcdcdc; --band: #f6f6f4; --page: #ffffff; color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececec; --soft: #a8a8a8; --line: #3a3a3a; --band: #202020; --page: #151515; }
  figure { background: #ffffff; border-radius: 6px; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem 1.1rem 4rem; color: var(--ink); background: var(--page);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
p, li, dl { max-width: 46rem; } .soft { color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: 1rem 0; } table { border-collapse: collapse; font-size: .88rem; white-space: nowrap; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
td { font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--page); }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
tr:nth-child(even) td { background: var(--band); } figure { margin: 1rem 0; overflow-x: auto; }
figure svg { width: 100%; height: auto; min-width: 26rem; } nav a { margin-right: 1rem; }
.example { border-left: 3px solid var(--line); padding: .1rem 0 .1rem .8rem; margin: .7rem 0; }
.example p { margin: .15rem 0; } audio { height: 2.2rem; width: min(20rem, 100%); }
"""
SORT = """
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const head = button.parentElement, table = head.closest("table"), body = table.tBodies[0];
  const down = head.getAttribute("aria-sort") !== "descending", at = head.cellIndex;
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = row => { const text = row.cells[at].textContent, number = parseFloat(text);
    return Number.isNaN(number) ? text : number; };
  const rows = [...body.rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    const order = typeof x === typeof y ? (x < y ? -1 : x > y ? 1 : 0) : typeof x === "number" ? -1 : 1;
    return down ? -order : order; });
  body.append(...rows);
});
"""


def as_html(report: Report) -> str:
    """The page.  All texts are escaped; it loads nothing from elsewhere."""
    about = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in report.about.items())
    links = "".join(f'<a href="#task-{n}">{escape(task.name)}</a> ' for n, task in enumerate(report.tasks))
    first = "".join(_table(task.name, *headroom_table(task)) for task in report.tasks)
    tasks = "".join(_task(number, task) for number, task in enumerate(report.tasks))
    others = sections(report)
    links += "".join(f'<a href="#section-{n}">{escape(one.title)}</a> ' for n, one in enumerate(others))
    tasks += "".join(_section(number, one) for number, one in enumerate(others))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Evaluation</title>'
        f"<style>{STYLE}</style></head><body><h1>Evaluation</h1><dl>{about}</dl>"
        f'<section id="headroom"><h2>{TITLE}</h2><p class="soft">{escape(NOTE)}</p>{first}</section>'
        f"<nav>{links}</nav>{tasks}"
        f"<script>{SORT}</script></body></html>\n"
    )


def _task(number: int, task: Task) -> str:
    dims = sorted({dim for one in task.systems for dim in one.by_dim}, reverse=True)
    widths = [str(dim) for dim in dims]
    parts = [
        f'<section id="task-{number}"><h2>{escape(task.name)}</h2>',
        f'<p class="soft">{task.queries:,} queries, {task.documents:,} documents; mean [95 % interval].</p>',
        _plot(task),
    ]
    for measure, chance in task.chance.items():
        rows = [[one.name, *cells(one.by_dim, dims, measure, str)] for one in task.systems]
        rows.append(["chance", *[f"{chance:.3f}"] * len(dims)])
        parts.append(_table(measure, ["system", *widths], rows))
        compared = [one for one in task.systems if one.difference]
        if compared:
            rows = [[one.name, *cells(one.difference, dims, measure, signed)] for one in compared]
            parts.append(_table(f"{measure} minus {task.baseline}, paired by query", ["system", *widths], rows))
    parts += [_widths(one, dims) for one in task.systems if one.widths]
    parts += [_codes(one) for one in task.systems]
    if costs := cost_table(task):
        parts.append(_table("cost", *costs) + f"<p>{escape(cost_line(task))}</p>")
    known = [(one.name, one.health) for one in task.systems if one.health]
    if known:
        rows = [[name, *health_cells(health)] for name, health in known]
        parts.append(_table("health of the space, full width", ["system", *HEALTH], rows))
        advice = dict.fromkeys(f"{name}: {line}" for name, health in known for line in health.advice)
        parts.append("".join(f"<p>{escape(line)}.</p>" for line in advice))
    parts.append(_examples(task))
    return "".join(parts) + "</section>"


def _section(number: int, section: Section) -> str:
    lines = "".join(f'<p class="soft">{escape(line)}</p>' for line in section.lines)
    plot = _svg(panels_figure(section)) if section.panels else ""
    tables = "".join(_table(one.header[0], ["of", *one.header[1:]], one.rows) for one in section.tables)
    notes = "".join(f"<li>{escape(note)}</li>" for note in section.notes)
    title = f'<section id="section-{number}"><h2>{escape(section.title)}</h2>'
    return f"{title}{lines}{plot}{tables}<ul>{notes}</ul></section>"


def _widths(system: System, dims: Sequence[int]) -> str:
    table = _table(f"{system.name}: what is kept", ["width", *map(str, dims)], width_rows(system, dims))
    return f"{table}<p>{escape(smallest_line(system))}</p>"


def _codes(system: System) -> str:
    tables = "".join(_table(*one) for one in code_tables(system))
    lines = "".join(f"<p>{escape(line)}</p>" for line in code_lines(system))
    if not system.codings:
        return tables + lines
    return _svg(codes_figure(system.codings, system.by_dim[system.full_dim][NDCG], "")) + tables + lines


def _examples(task: Task) -> str:
    if not task.examples:
        return ""
    found = [one for one in task.examples if one.rank == 1]
    missed = [one for one in task.examples if one.rank != 1]
    parts = []
    for title, some in (("Found first", found), ("Missed", missed)):
        if some:
            parts.append(f"<h3>{title}, by {escape(task.systems[0].name)}</h3>{''.join(map(_example, some))}")
    return "".join(parts)


def _example(one: Example) -> str:
    rank = "beyond the first hundred" if one.rank is None else f"place {one.rank}"
    sound = ""
    if one.sound:
        data = base64.b64encode(one.sound).decode()
        sound = f'<p><audio controls preload="none" src="data:audio/ogg;base64,{data}"></audio></p>'
    first = "" if one.rank == 1 else f'<p><span class="soft">came first</span> {escape(one.first)}</p>'
    return (
        f'<div class="example"><p>{escape(one.question)}</p>{sound}'
        f'<p><span class="soft">right answer, {rank}</span> {escape(one.right)}</p>{first}</div>'
    )


def _plot(task: Task) -> str:
    series = {one.name: {dim: cells[NDCG] for dim, cells in one.by_dim.items()} for one in task.systems}
    return _svg(ndcg_by_dim_figure(series, task.chance[NDCG], ""))


def _svg(figure: Figure) -> str:
    out = BytesIO()
    with rc_context({"svg.hashsalt": "deglu", "svg.fonttype": "none"}):  # the same bytes again; texts stay texts
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    svg = out.getvalue().decode()
    return f"<figure>{svg[svg.index('<svg') :]}</figure>"


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th><button>{escape(one)}</button></th>" for one in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
