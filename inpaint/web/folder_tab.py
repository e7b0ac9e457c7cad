"""The tab for many photos: choose them, say which masks, look at the plan, run it, take the results away."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from inpaint.errors import InpaintError
from inpaint.options import ENGINES, FillOptions
from inpaint.web.actions import Actions, explain
from inpaint.web.folder import FolderJob, FolderRequest, sayable
from inpaint.web.folder_view import caption, error_html, plan_html, progress_html, result_html
from inpaint.web.i18n import language_of
from inpaint.web.messages import translate
from inpaint.web.room import Room

RULES = (
    "text", "scratches", "repeated", "alpha", "region:bottom-right 18%x6%", "region:bottom 100%x8%",
    "text + region:bottom 100%x5%",
)  # fmt: skip
BROWSED = 48  # thumbnails at a time
SMALL, LARGE = 240, 1200  # longest side of a thumbnail and of a shown result, in pixels
RUNS = 8  # of folders side by side, their photos one at a time (`Actions.turns`); `Room` bounds their memory
RESULTS = 60  # shown; all are in the ZIP file
OPEN_LISTED = "(path) => { document.dispatchEvent(new CustomEvent('inpaint-open', {detail: {listed: path}})); }"
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}


def add_folder_tab(actions: Actions, words: gr.I18n, regions: tuple[str, ...], tabs: gr.Tabs) -> None:
    """Add the tab's contents to the Blocks that are being built.

    Args:
        actions: networks, limits, and where files may lie.
        words: the page's texts.
        regions: offered as mask rules.
        tabs: the page's; a photo that was clicked opens in the tab `photo`.
    """
    job, running = gr.State(None), gr.State(None)  # what was planned last; what runs, which alone can be stopped
    planned = gr.State(())  # the choices that the plan was made of
    room = Room.of_machine()
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            photos = _photos_panel(actions, words, tabs)
            masks = _masks_panel(actions, words, regions)
        with gr.Column(scale=2, min_width=260):
            how = _how_panel(actions, words)
            plan_button = gr.Button(words("show_plan"), variant="primary", elem_id="folder-plan")
    plan = gr.HTML(elem_id="folder-plan-shown", visible=False)
    with gr.Row():
        run_button = gr.Button(words("run_plan"), variant="primary", interactive=False, elem_id="folder-run")
        stop_button = gr.Button(words("stop"), interactive=False, elem_id="folder-stop")
    progress = gr.HTML(elem_id="folder-progress", visible=False)
    gallery = gr.Gallery(
        label=words("results"), format="png", columns=4, height="auto", object_fit="contain", visible=False,
        interactive=False, elem_id="folder-results", buttons=["fullscreen"],
    )  # fmt: skip
    with gr.Row():
        label: Any = words("download_all")
        packed = gr.DownloadButton(label, visible=False, elem_id="folder-zip")

    inputs = [*photos, *masks, *how]

    def make_plan(request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        language = language_of(request.headers.get("accept-language", ""))
        nothing = gr.update(visible=False)
        try:
            made = FolderJob(wanted(actions, *values), actions.store, actions.networks, actions.photos)
            shown = plan_html(made, language)
        except InpaintError as error:
            made, shown = None, error_html(translate(explain(error, None)["error"]["text"], language))
        yield (
            made, values, gr.update(value=shown, visible=True), gr.update(interactive=False), nothing,
            gr.update(value=None, visible=False), nothing,
        )  # fmt: skip

    def usable(made: FolderJob | None, of: tuple[Any, ...], *now: Any) -> Any:
        """A plan that still fits what is chosen can be run."""
        return gr.update(interactive=made is not None and bool(made.plan.tasks) and tuple(of) == now)

    def run(made: FolderJob | None, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        language, start = language_of(request.headers.get("accept-language", "")), time.monotonic()
        same = gr.update()
        if made is None:
            return
        off, on = gr.update(interactive=False), gr.update(interactive=True)
        yield made, off, off, on, same, same, same
        try:
            client = f"folder:{request.session_hash}"
            for counts in made.run(lambda: actions.turns.turn(client, made.stopping, always=True), room):
                start = time.monotonic() if made.waits else start
                shown = progress_html(
                    counts, time.monotonic() - start, made.stopping.is_set(), language, made.waits
                )  # fmt: skip
                yield same, same, same, same, gr.update(value=shown, visible=True), same, same
            end: tuple[Any, ...] = shown_results(actions, made, time.monotonic() - start, language)
        except InpaintError as error:
            text = translate(made.plain(explain(error, None)["error"]["text"]), language)
            end = gr.update(value=error_html(text), visible=True), same, same
        yield None, on, off, off, *end

    plan_button.click(
        make_plan, inputs, [job, planned, plan, run_button, progress, gallery, packed], api_visibility="private",
        concurrency_id="plan", concurrency_limit=2,
    ).then(usable, [job, planned, *inputs], run_button, **QUIET)  # fmt: skip
    buttons = [running, plan_button, run_button, stop_button]
    run_button.click(
        run, job, [*buttons, progress, gallery, packed], api_visibility="private", show_progress="hidden",
        concurrency_id="folder", concurrency_limit=RUNS,
    ).failure(
        lambda: (None, gr.update(interactive=True), gr.update(interactive=False), gr.update(interactive=False)), None,
        buttons, **QUIET,
    )  # fmt: skip
    stop_button.click(lambda made: made and made.stop(), running, None, **QUIET)
    for part in inputs:  # a plan that no longer fits what is chosen cannot be run
        part.change(lambda: gr.update(interactive=False), None, run_button, **QUIET)


def wanted(
    actions: Actions, source: str, uploads: list[str] | None, folder: str | None, deep: bool, kind: str, rule: str,
    one: str | None, many: list[str] | None, engine: str, dilate: float, seed: float, model: str, lossless: bool,
) -> FolderRequest:  # fmt: skip
    """What the parts of the tab say, in their order.

    Raises:
        InpaintError: a file that was not uploaded here, or a wrong setting.
    """
    files = {"one": [one] if one else [], "names": many or []}.get(kind, [])
    return FolderRequest(
        [str(actions.uploaded(path)) for path in uploads or []], (folder or "") if source == "server" else None, deep,
        kind, rule or "", [str(actions.uploaded(path)) for path in files],
        FillOptions(engine=engine, dilate=int(dilate), seed=int(seed or 0)), model, lossless,
    )  # fmt: skip


def shown_results(actions: Actions, job: FolderJob, seconds: float, language: str) -> tuple[Any, Any, Any]:
    """The end of a run: words, pictures, one file with everything."""
    records = job.outputs()
    pictures = actions.thumbnails.of([Path(record["output"]) for record in records[:RESULTS]], LARGE)
    items = [(str(p), caption(job, record)) for p, record in zip(pictures, records, strict=False) if p]
    text = gr.update(value=result_html(job, seconds, language), visible=True)
    if not records:
        return text, gr.update(visible=False), gr.update(visible=False)
    return text, gr.update(value=items, visible=True), gr.update(value=str(job.pack(seconds)), visible=True)


def _photos_panel(actions: Actions, words: gr.I18n, tabs: gr.Tabs) -> list[Any]:
    gr.Markdown(words("step_photos"))
    served = actions.photos is not None
    sources: list[Any] = [(words("from_upload"), "upload"), (words("from_server"), "server")]
    source = gr.Radio(sources, value="server" if served else "upload", show_label=False, visible=served)
    uploads = gr.File(
        file_count="multiple", label=words("photos"), visible=not served, elem_id="folder-uploads", height=180
    )
    with gr.Column(visible=served) as browser:
        folders = actions.photos.folders() if actions.photos else [""]
        named: list[Any] = [(name or "/", name) for name in folders]
        folder = gr.Dropdown(named, value="", label=words("folder"), visible=len(folders) > 1, elem_id="folder-choice")
        deep = gr.Checkbox(True, label=words("deep"), visible=len(folders) > 1)
        page = gr.Slider(1, 2, value=1, step=1, label=words("page"), visible=False)
        if served:
            gr.Markdown(words("browse"))
        listed = gr.Gallery(
            show_label=False, format="png", columns=6, height="auto", object_fit="cover", allow_preview=False,
            interactive=False, buttons=[], elem_id="folder-browse",
        )  # fmt: skip
        names, chosen = gr.State([]), gr.Textbox(visible=False)
    source.change(
        lambda kind: (gr.update(visible=kind == "upload"), gr.update(visible=kind == "server")), source,
        [uploads, browser], **QUIET,
    )  # fmt: skip
    if actions.photos is not None:
        shown = actions.photos

        def browse(folder: str, deep: bool, number: float) -> tuple[Any, Any, list[str]]:
            found = [name for name in shown.photos(folder or "", deep) if sayable(name)]
            pages = max(1, -(-len(found) // BROWSED))
            number = min(int(number), pages)
            part = found[(number - 1) * BROWSED : number * BROWSED]
            pictures = actions.thumbnails.of([shown.root / name for name in part], SMALL)
            there = [(str(picture), name) for picture, name in zip(pictures, part, strict=True) if picture]
            slider = gr.update(maximum=max(2, pages), value=number, visible=pages > 1)
            return [(picture, Path(name).name) for picture, name in there], slider, [name for _, name in there]

        def choose(names: list[str], event: gr.SelectData) -> tuple[str, Any]:
            return names[event.index], gr.update(selected="photo")

        gr.on([folder.change, deep.change, page.release], browse, [folder, deep, page], [listed, page, names], **QUIET)
        gr.on(None, browse, [folder, deep, page], [listed, page, names], **QUIET)  # when the page is opened
        listed.select(choose, names, [chosen, tabs], **QUIET).then(None, chosen, None, js=OPEN_LISTED, **QUIET)
    return [source, uploads, folder, deep]


def _masks_panel(actions: Actions, words: gr.I18n, regions: tuple[str, ...]) -> list[Any]:
    gr.Markdown(words("step_masks"))
    kinds: list[Any] = [(words("mask_rule"), "rule"), (words("mask_one"), "one"), (words("mask_names"), "names")]
    kind = gr.Radio(kinds, value="rule", show_label=False, elem_id="folder-masks")
    rules = [*RULES, *(f"region:{region}" for region in regions if f"region:{region}" not in RULES)]
    rule = gr.Dropdown(
        rules, value="text", allow_custom_value=True, label=words("rule"), info=words("rule_info"),
        elem_id="folder-rule",
    )  # fmt: skip
    one = gr.File(label=words("mask_file"), visible=False, elem_id="folder-one", height=140)
    many = gr.File(file_count="multiple", label=words("mask_files"), visible=False, elem_id="folder-many", height=180)
    named = gr.Markdown(words("names_info"), visible=False)
    kind.change(
        lambda value: [gr.update(visible=value == name) for name in ("rule", "one", "names", "names")], kind,
        [rule, one, many, named], **QUIET,
    )  # fmt: skip
    return [kind, rule, one, many]


def _how_panel(actions: Actions, words: gr.I18n) -> list[Any]:
    names = actions.networks.names
    gr.Markdown(words("step_how"))
    engine = gr.Dropdown(list(ENGINES), value="auto", label=words("engine"), info=words("engine_info"))
    dilate = gr.Slider(0, 64, value=0, step=1, label=words("dilate"))
    seed = gr.Number(value=0, precision=0, label=words("seed"))
    model = gr.Dropdown(names, value=names[0], label=words("model"), visible=len(names) > 1)
    lossless = gr.Checkbox(False, label=words("lossless"))
    return [engine, dilate, seed, model, lossless]
