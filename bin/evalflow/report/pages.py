"""All pages of a report: which are drawn, in which order, and which of an earlier launch go."""

import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from evalflow.digests import digest
from evalflow.errors import describe_os_error
from evalflow.host import remove_stale
from evalflow.report.cases import draw_cases
from evalflow.report.dashboard import draw_dashboard
from evalflow.report.drawing import MADE, Page, drawn_before, render, write_bytes, write_text
from evalflow.report.index import draw_index, known_of_verification
from evalflow.report.map_scores import maps_made_from
from evalflow.report.missing import Missing, find_missing, known_lacking
from evalflow.report.pictures import png_of
from evalflow.report.plots import PLOTS, draw_plots
from evalflow.report.score_maps import MAPS, draw_score_maps
from evalflow.report.scorecards import Scorecard, make_scorecard, scorecard_csv
from evalflow.report.spec import Lacking, Reported, ReportSpec
from evalflow.report.tables import ScoreTables
from evalflow.report.words import file_name, time
from evalflow.store.files import read_json, replace_link, to_json, write_over

INDEX = "index.html"


def _code() -> str:
    """Return a digest of what draws the pages."""
    package = Path(__file__).parents[1]
    files = [path for room in ("report", "drawing") for path in (package / room).rglob("*")]
    texts = sorted(path for path in files if path.is_file() and path.suffix != ".pyc")
    return digest({str(path.relative_to(package)): path.read_text(encoding="utf-8") for path in texts})


def _made_from(spec: ReportSpec, tables: ScoreTables, missing: list[Missing]) -> str:
    """Return a digest of all that the pages show."""
    known = {key: value for key, value in known_of_verification(spec).items() if key != "computed"}
    shown = spec.model_dump(mode="json", exclude={"verifies"})
    maps = maps_made_from(tables.folder)
    return digest([_code(), shown, tables.made_from(), maps, known, [asdict(one) for one in missing]])


def _period(spec: ReportSpec) -> str:
    times = sorted(spec.init_times)
    return f"{time(times[0])} to {time(times[-1])} UTC, {len(times):,} init times" if times else "no init time"


def _draw_scorecard(spec: ReportSpec, card: Scorecard, part: str, before: dict[str, str]) -> Page:
    name, digests = f"scorecard-{part}", {}
    write_text(spec.results, f"{name}.csv", scorecard_csv(card))
    files = [(f"{name}.csv", "CSV")]
    taken: set[str] = set()
    for grid in card.grids:
        own = f"{name}-{file_name(grid.label, taken)}"
        picture = render("scorecard.svg", card=card, grid=grid, spec=spec, period=_period(spec))
        write_text(spec.results, f"{own}.svg", picture)
        digests[f"{own}.png"] = digest(picture)
        if before.get(f"{own}.png") != digests[f"{own}.png"]:
            write_bytes(spec.results, f"{own}.png", png_of(picture))
        files += [(f"{own}.png", f"PNG of {grid.label}"), (f"{own}.svg", "SVG")]
    about = f"against {card.baseline}, truth {card.truth}"
    problems = [f"scorecard {card.title}: {line}" for line in card.lacking]
    page = Page(f"{name}.html", f"scorecard {card.title}", about, files, problems=problems, digests=digests)
    text = render("scorecard.html", card=card, spec=spec, period=_period(spec), page=page, index=INDEX)
    write_text(spec.results, page.name, text)
    return page


def draw_scorecards(spec: ReportSpec, tables: ScoreTables) -> list[Page]:
    """Draw the scorecards: a page each, with CSV and SVG beside it."""
    taken: set[str] = set()
    before = drawn_before(tables.folder)
    return [
        _draw_scorecard(spec, make_scorecard(spec, section, tables), file_name(section.name, taken), before)
        for section in spec.sections
        if tables.exist
    ]


DRAWERS = (draw_dashboard, draw_scorecards, draw_cases, draw_plots, draw_score_maps)
"""What draws pages besides the index, in the order in which the index links to them."""


def _name_newest(spec: ReportSpec) -> None:
    """Let `results/{config_label}` lead to this experiment, unless something else has that name."""
    label = spec.results.name.rpartition("_")[0]
    link = spec.results.parent / label
    if label and (link.is_symlink() or not link.exists()):
        replace_link(link, spec.results.name)


def make_report(spec: ReportSpec, lacking: Iterable[Lacking] = ()) -> Reported:
    """Draw all pages of an experiment, the index last, where they are not what they would be already.

    Where the folder of results cannot be written to, there is no report, and a line that says why: what was asked for
    besides is done all the same.

    Parameters
    ----------
    lacking : what verification lacked in this launch

    Raises
    ------
    UserError
        Where a table of scores cannot be read.
    """
    try:
        return _draw(spec, ScoreTables(spec.results), find_missing(spec, known_lacking(spec, lacking)))
    except OSError as error:
        return Reported(pages=[], drawn=False, problems=[f"the report is not kept: {describe_os_error(error)}"])


def _remove_old(folder: Path, names: Iterable[str]) -> None:
    """Remove pages of an earlier launch; what the list names elsewhere is none of them."""
    for name in names:
        path = folder / name
        if path.parent.resolve() in (folder.resolve(), (folder / PLOTS).resolve(), (folder / MAPS).resolve()):
            path.unlink(missing_ok=True)


def _draw(spec: ReportSpec, tables: ScoreTables, missing: list[Missing]) -> Reported:
    made_from = _made_from(spec, tables, missing)
    known = read_json(spec.results / MADE) or {}
    before = known.get("pages", [])
    _name_newest(spec)
    if known.get("made_from") == made_from and all((spec.results / name).is_file() for name in before):
        return Reported(**{**known["reported"], "drawn": False})
    spec.results.mkdir(parents=True, exist_ok=True)
    remove_stale(spec.results, ".report.*.tmp")
    # All pages are drawn aside, and take their places together: nobody sees pages of two launches.
    with tempfile.TemporaryDirectory(dir=spec.results, prefix=".report.", suffix=".tmp") as aside:
        drawn = Path(aside)
        at = spec.model_copy(update={"results": drawn})
        pages = [page for draw in DRAWERS for page in draw(at, tables)]
        write_text(drawn, INDEX, draw_index(spec, tables, pages, missing))
        names = [*(name for page in pages for name in page.names), INDEX]
        (spec.results / MADE).unlink(missing_ok=True)
        for name in names:
            if (drawn / name).is_file():  # else it shows what it has shown
                (spec.results / name).parent.mkdir(exist_ok=True)
                (drawn / name).replace(spec.results / name)
    _remove_old(spec.results, set(before) - set(names))
    problems = [line for page in pages for line in page.problems]
    if not tables.exist and spec.truths:
        problems.append(f"{spec.results}: there are no tables of scores; --target experiment makes them")
    done = Reported(index=str(spec.results / INDEX), pages=names, drawn=True, problems=problems)
    digests = {name: value for page in pages for name, value in page.digests.items()}
    made = {"made_from": made_from, "pages": names, "digests": digests, "reported": done.model_dump()}
    write_over(spec.results / MADE, to_json(made))
    return done
