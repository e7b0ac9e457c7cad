"""What the folder tab shows of a plan and a run, as HTML in the person's language."""

from html import escape
from typing import Any

from inpaint.batch.plan import ALPHA
from inpaint.batch.run import Counts
from inpaint.batch.summary import duration
from inpaint.web.folder import FolderJob
from inpaint.web.i18n import PAGE_TEXTS, Texts
from inpaint.web.messages import translate

SHOWN = 100  # rows of the plan's table
WHY = {
    "one mask for all": "why_one", "same path": "why_path", "same stem": "why_stem", "mask suffix": "why_suffix",
    "folder named like the photo": "why_folder", "same name in another folder": "why_elsewhere",
}  # fmt: skip


def plan_html(job: FolderJob, language: str) -> str:
    """The plan: what is done with which mask, and what is not."""
    words, plan = PAGE_TEXTS[language], job.describe()
    count = len(plan["tasks"])
    head = "".join(f"<th>{escape(words[key])}</th>" for key in ("col_photo", "col_size", "col_mask", "col_output"))
    body = "".join(_row(row, words) for row in plan["tasks"][:SHOWN])
    table = f'<div class="wide" tabindex="0"><table><tr>{head}</tr>{body}</table></div>' if count else ""
    more = _said(words["plan_more"], count=count - SHOWN) if count > SHOWN else ""
    asides = [
        _list("wrong", words["plan_refused"], _reasons(plan["refused"], language)),
        _list("aside", words["plan_unmasked"], plan["photos_without_mask"]),
        _list("aside", words["plan_unused"], plan["masks_without_photo"]),
        _list("aside", words["plan_left_out"], _reasons(plan["left_out"], language)),
    ]
    said = _said(words["plan_said"] if count else words["plan_empty"], count=count)
    return box(f"{said}{table}{more}{''.join(asides)}")


def _row(row: dict[str, Any], words: Texts) -> str:
    size = "{} x {}".format(*row["size"]) if row["size"] else words["cannot_be_read"]
    if row["rule"]:
        mask = words["why_alpha"] if row["rule"] == ALPHA else words["why_rule"].format(rule=row["rule"])
    else:
        why, _, united = row["why"].partition(", ")
        known = words[WHY[why]] if why in WHY else why
        names = " + ".join(row["masks"])
        mask = f"{names} ({known}{', ' + words['united'] if united else ''})"
    cells = (row["photo"], size, mask, row["output"])
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def progress_html(counts: Counts, seconds: float, stopping: bool, language: str, waits: bool = False) -> str:
    """How far a run is, or that it waits for memory which the runs of others take."""
    words = PAGE_TEXTS[language]
    values = {"finished": counts.finished, "total": counts.total, "failed": len(counts.failed)}
    text = words["run_said"].format(**values)
    if counts.finished and counts.finished < counts.total:
        left = (counts.total - counts.finished) * seconds / counts.finished
        text += " " + words["run_left"].format(left=duration(left))
    if waits and not stopping:
        text += " " + words["run_waits"]
    if stopping:
        text += " " + words["run_stopping"]
    return box(f'<progress max="{max(1, counts.total)}" value="{counts.finished}"></progress><p>{escape(text)}</p>')


def result_html(job: FolderJob, seconds: float, language: str) -> str:
    """What became of a run, with every failure and its reason."""
    words, counts = PAGE_TEXTS[language], job.counts
    left = counts.total - counts.finished
    text = words["result_said"].format(done=len(counts.done), total=counts.total, seconds=duration(seconds))
    text += " " + words["result_left"].format(left=left) if left else ""
    lines = [text, *_proofs([r["verification"] for r in counts.done if r.get("verification")], words)]
    failed = _list("wrong", words["result_failed"], _reasons(job.failures(), language))
    return box("".join(f"<p>{escape(line)}</p>" for line in lines) + failed)


def _proofs(proofs: list[dict[str, Any]], words: Texts) -> list[str]:
    """What reading the written files again has shown, for formats with and without loss."""
    exact, lossy = [p for p in proofs if p["exact"]], [p for p in proofs if not p["exact"]]
    lines = []
    if exact:
        lines.append(words["result_exact"].format(files=len(exact), changed=sum(p["changed"] for p in exact)))
    if lossy:
        scale = [255 / (2 ** p["depth"] - 1) for p in lossy]
        worst = max(p["worst"] * s for p, s in zip(lossy, scale, strict=True))
        mean = sum(p["mean"] * s for p, s in zip(lossy, scale, strict=True)) / len(lossy)
        lines.append(words["result_lossy"].format(files=len(lossy), mean=f"{mean:.2g}", worst=f"{worst:.0f}"))
    return lines


def caption(job: FolderJob, record: dict[str, Any]) -> str:
    """Under a result: its name and what filled it."""
    return ", ".join(part for part in (job.name(record["output"]), record.get("engine", "")) if part)


def error_html(text: str) -> str:
    """Something that went wrong, as a sentence."""
    return box(f'<p class="wrong" role="alert">{escape(text)}</p>')


def box(inner: str) -> str:
    """HTML of this tab."""
    return f'<div class="fold">{inner}</div>'


def _reasons(files: list[tuple[str, str]], language: str) -> list[str]:
    return [f"{name}: {translate(reason, language)}" for name, reason in files]


def _said(text: str, **values: Any) -> str:
    return f"<p>{escape(text.format(**values))}</p>"


def _list(kind: str, title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    rest = f"<li>... {len(lines) - SHOWN:,}</li>" if len(lines) > SHOWN else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines[:SHOWN])
    return f'<div class="{kind}"><strong>{escape(title)} ({len(lines):,})</strong><ul>{items}{rest}</ul></div>'
