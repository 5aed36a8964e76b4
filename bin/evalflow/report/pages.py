"""All pages of a report: which are drawn, in which order, and which of an earlier launch go."""

from pathlib import Path

from evalflow.digests import digest
from evalflow.errors import describe_os_error
from evalflow.report.dashboard import draw_dashboard
from evalflow.report.drawing import Page, render, write_text
from evalflow.report.index import draw_index, find_missing, known_of_verification
from evalflow.report.scorecards import Scorecard, make_scorecard, scorecard_csv
from evalflow.report.spec import Reported, ReportSpec
from evalflow.report.tables import ScoreTables
from evalflow.report.words import file_name, time
from evalflow.store.files import read_json, replace_link, to_json, write_over

INDEX = "index.html"
MADE = "report.json"
"""In the folder of results: what was drawn, and from what."""


def _code() -> str:
    """Return a digest of what draws the pages."""
    package = Path(__file__).parent
    files = sorted(path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return digest({str(path.relative_to(package)): path.read_text(encoding="utf-8") for path in files})


def _made_from(spec: ReportSpec, tables: ScoreTables) -> str:
    """Return a digest of all that the pages show."""
    known = {key: value for key, value in known_of_verification(spec).items() if key != "computed"}
    return digest([_code(), spec.model_dump(mode="json"), tables.made_from(), known, find_missing(spec)])


def _period(spec: ReportSpec) -> str:
    times = sorted(spec.init_times)
    return f"{time(times[0])} to {time(times[-1])} UTC, {len(times):,} init times" if times else "no init time"


def _draw_scorecard(spec: ReportSpec, card: Scorecard, part: str) -> Page:
    name = f"scorecard-{part}"
    write_text(spec.results, f"{name}.csv", scorecard_csv(card))
    files = [(f"{name}.csv", "CSV")]
    taken: set[str] = set()
    for grid in card.grids:
        own = f"{name}-{file_name(grid.label, taken)}.svg"
        write_text(spec.results, own, render("scorecard.svg", card=card, grid=grid, spec=spec, period=_period(spec)))
        files.append((own, f"SVG of {grid.label}"))
    about = f"against {card.baseline}, truth {card.truth}"
    problems = [f"scorecard {card.title}: {line}" for line in card.lacking]
    page = Page(f"{name}.html", f"scorecard {card.title}", about, files, problems)
    text = render("scorecard.html", card=card, spec=spec, period=_period(spec), page=page, index=INDEX)
    write_text(spec.results, page.name, text)
    return page


def draw_scorecards(spec: ReportSpec, tables: ScoreTables) -> list[Page]:
    """Draw the scorecards: a page each, with CSV and SVG beside it."""
    taken: set[str] = set()
    return [
        _draw_scorecard(spec, make_scorecard(spec, section, tables), file_name(section.name, taken))
        for section in spec.sections
        if tables.exist
    ]


DRAWERS = (draw_dashboard, draw_scorecards)
"""What draws pages besides the index, in the order in which the index links to them."""


def _name_newest(spec: ReportSpec) -> None:
    """Let `results/{config_label}` lead to this experiment, unless something else has that name."""
    label = spec.results.name.rpartition("_")[0]
    link = spec.results.parent / label
    if label and (link.is_symlink() or not link.exists()):
        replace_link(link, spec.results.name)


def make_report(spec: ReportSpec) -> Reported:
    """Draw all pages of an experiment, the index last, where they are not what they would be already.

    Where the folder of results cannot be written to, there is no report, and a line that says why: what was asked for
    besides is done all the same.

    Raises
    ------
    UserError
        Where a table of scores cannot be read.
    """
    try:
        return _draw(spec, ScoreTables(spec.results))
    except OSError as error:
        return Reported(pages=[], drawn=False, problems=[f"the report is not kept: {describe_os_error(error)}"])


def _draw(spec: ReportSpec, tables: ScoreTables) -> Reported:
    made_from = _made_from(spec, tables)
    known = read_json(spec.results / MADE) or {}
    before = known.get("pages", [])
    _name_newest(spec)
    if known.get("made_from") == made_from and all((spec.results / name).is_file() for name in before):
        return Reported(**{**known["reported"], "drawn": False})
    pages = [page for draw in DRAWERS for page in draw(spec, tables)]
    write_text(spec.results, INDEX, draw_index(spec, tables, pages))
    names = [*(name for page in pages for name in page.names), INDEX]
    for name in set(before) - set(names):
        (spec.results / Path(name).name).unlink(missing_ok=True)
    problems = [line for page in pages for line in page.problems]
    if not tables.exist and spec.truths:
        problems.append(f"{spec.results}: there are no tables of scores; --target experiment makes them")
    done = Reported(index=str(spec.results / INDEX), pages=names, drawn=True, problems=problems)
    write_over(spec.results / MADE, to_json({"made_from": made_from, "pages": names, "reported": done.model_dump()}))
    return done
