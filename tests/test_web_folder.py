"""Many photos on the page, without a browser: what may be read, what is planned, what comes out."""

import os
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from inpaint.batch.memory import PER_PIXEL, PHOTO
from inpaint.batch.plan import Request, make_plan
from inpaint.batch.session import Means, run_batch
from inpaint.errors import InpaintError, MaskError, OptionError, PhotoError
from inpaint.fill_file import FillJob
from inpaint.options import FillOptions
from inpaint.photo.limits import Limits
from inpaint.web.actions import Actions
from inpaint.web.decoding import Decoders
from inpaint.web.folder import FolderJob, FolderRequest, PhotoFolder, sayable
from inpaint.web.folder_view import plan_html, progress_html, result_html
from inpaint.web.i18n import PAGE_TEXTS, language_of
from inpaint.web.networks import Networks
from inpaint.web.room import Room
from inpaint.web.thumbnails import Thumbnails
from inpaint.web.turns import Turns
from tests.conftest import scene

TELEA = FillOptions(engine="telea")


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "root"
    (root / "trip").mkdir(parents=True)
    (root / ".secret").mkdir()
    for seed, name in enumerate(("lake.png", "trip/hill.png", "trip/dune.png", ".secret/no.png")):
        Image.fromarray(scene(60, 80, seed)).save(root / name)
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 30:50] = 255
    Image.fromarray(mask).save(root / "lake_mask.png")
    Image.fromarray(mask).save(tmp_path / "outside.png")
    return PhotoFolder(root)


@pytest.fixture
def job(store, inpainter, folder):
    return lambda **wanted: FolderJob(
        replace(FolderRequest(folder="", options=TELEA), **wanted), store, Networks.of(inpainter), folder
    )


@pytest.fixture
def decoders():
    made = Decoders()
    yield made
    made.close()


def test_a_folder_shows_only_what_lies_in_it(folder, tmp_path):
    assert folder.folders() == ["", "trip"]
    assert folder.photos("", True) == ["lake.png", "lake_mask.png", "trip/dune.png", "trip/hill.png"]
    assert folder.photos("trip", False) == ["trip/dune.png", "trip/hill.png"]
    (folder.root / "link.png").symlink_to(tmp_path / "outside.png")
    for name in (
        "..",
        "../outside.png",
        "/etc",
        str(tmp_path / "outside.png"),
        ".secret/no.png",
        "none.png",
        "link.png",
    ):
        with pytest.raises(OptionError, match="is not in the folder of photos"):
            folder.path(name)
    with pytest.raises(OptionError, match="is not a folder"):
        PhotoFolder(tmp_path / "outside.png")


@pytest.fixture
def linked(folder, tmp_path):
    """The folder with links inside it, out of it, and to what is hidden."""
    away = tmp_path / "away"
    (away / "deep").mkdir(parents=True)
    for seed, name in enumerate(("o.png", "lake_mask2.png", "deep/p.png", ".q.png", "notes.txt")):
        Image.fromarray(scene(60, 80, seed)).save(away / name, "PNG")
    links = {
        "dir": away, "trip/deep": away / "deep", "secret": folder.root / ".secret", "link.png": away / "o.png",
        "no.png": folder.root / ".secret/no.png", "lake_2_mask.png": away / "lake_mask2.png",
        "hill_mask.png": folder.root / "lake_mask.png", "again": folder.root / "trip", "loop.png": "loop.png",
        "gone.png": tmp_path / "gone",
    }  # fmt: skip
    for name, target in links.items():
        (folder.root / name).symlink_to(target)
    return folder


AWAY = ["dir", "gone.png", "lake_2_mask.png", "link.png", "no.png", "secret", "trip/deep"]


def test_links_out_of_a_folder_are_not_shown(linked):
    assert linked.folders() == ["", "again", "trip"]
    inside = ["again/dune.png", "again/hill.png", "hill_mask.png", "lake.png", "lake_mask.png", "loop.png"]
    assert linked.photos("", True) == [*inside, "trip/dune.png", "trip/hill.png"]
    assert linked.photos("again", True) == ["trip/dune.png", "trip/hill.png"]
    for name in (*AWAY, "dir/o.png", "trip/deep/p.png", "loop.png"):
        with pytest.raises(OptionError, match="is not in the folder of photos"):
            linked.path(name)


def test_links_out_of_a_folder_are_neither_planned_nor_filled(linked, job):
    made = job(rule="region:bottom-right 30%x20%")
    told = made.describe()
    assert [task["photo"] for task in told["tasks"]] == linked.photos("", True)
    left = [name for name, reason in told["left_out"] if "is a link out of the folder" in reason]
    assert sorted(left) == ["again/deep", *AWAY] and (".secret", "is hidden") in told["left_out"]
    assert "dir/" not in repr(told) and "是指向文件夹之外或隐藏内容的链接" in plan_html(made, "zh-CN")
    list(made.run())
    assert [made.name(record["photo"]) for record in made.outputs()] == [
        name for name in linked.photos("", True) if name != "loop.png"
    ]
    with zipfile.ZipFile(made.pack(1.0)) as packed:
        assert len(packed.namelist()) == 8 and not {"link.png", "dir/o.png"} & set(packed.namelist())


def test_masks_are_not_read_over_links_out_of_a_folder(linked, job):
    (linked.root / "dune.png").symlink_to(linked.root / "trip/dune.png")
    (linked.root / "dune_mask.png").symlink_to(linked.root.parent / "outside.png")
    (linked.root / "lake_mask3.png").symlink_to(linked.root.parent / "outside.png")
    told = job(masks="names").describe()
    (lake,) = [task for task in told["tasks"] if task["photo"] == "lake.png"]
    assert (lake["masks"], lake["why"]) == (["lake_mask.png"], "mask suffix")
    assert "dune.png" in told["photos_without_mask"] and "lake_mask3.png" in [name for name, _ in told["left_out"]]


def test_a_listed_photo_opens_as_a_copy(store, inpainter, folder, tmp_path):
    actions = Actions(store, Networks.of(inpainter), lambda: str(tmp_path), folder)
    before = (folder.root / "trip/hill.png").read_bytes()
    state = actions.ask({"action": "open_listed", "path": "trip/hill.png"})["state"]
    assert (state["name"], state["width"], state["height"]) == ("hill.png", 80, 60)
    assert (folder.root / "trip/hill.png").read_bytes() == before
    for path in ("../outside.png", "trip", None):
        assert "error" in actions.ask({"action": "open_listed", "path": path})
    closed = Actions(store, Networks.of(inpainter), lambda: str(tmp_path))
    assert "shows no folder" in closed.ask({"action": "open_listed", "path": "lake.png"})["error"]["text"]


def test_the_results_are_those_of_the_batch_command(job, folder, tmp_path):
    made = job(masks="names")
    assert [task["photo"] for task in made.describe()["tasks"]] == ["lake.png"]
    assert made.describe()["photos_without_mask"] == ["trip/dune.png", "trip/hill.png"]
    assert not made.output.exists()  # a plan does nothing
    list(made.run())
    request = Request((str(folder.root),), str(folder.root), str(tmp_path / "by-batch"))
    template = FillJob(tmp_path, tmp_path, tmp_path, TELEA)
    plan = make_plan(request)
    run_batch(plan, request, template, Means(0), tmp_path / "journal", False, lambda _: None, lambda: False)
    assert (made.output / "lake.png").read_bytes() == (tmp_path / "by-batch/lake.png").read_bytes()
    with pytest.raises(OptionError, match="carried out already"):
        next(made.run())


def test_one_mask_for_all_and_the_zip_file(job, folder, tmp_path):
    made = job(folder="trip", masks="one", mask_files=[str(tmp_path / "outside.png")])
    assert "outside.png (one for all)" in plan_html(made, "en") and "共用" in plan_html(made, "zh-CN")
    counts = list(made.run())[-1]
    assert (len(counts.done), counts.total) == (2, 2)
    with zipfile.ZipFile(made.pack(1.0)) as packed:
        assert packed.namelist() == ["dune.png", "hill.png", "report.html"]
        assert packed.read("hill.png") == (made.output / "hill.png").read_bytes()
        report = packed.read("report.html").decode()
    assert "hill.png" in report and str(made.folder) not in report
    assert "Kept pixels that changed: 0." in result_html(made, 1.0, "en")
    assert (folder.root / "trip/hill.png").exists()


def test_a_broken_photo_is_listed_and_the_rest_is_filled(job, folder):
    (folder.root / "trip/bad.jpg").write_bytes(b"no photo")
    made = job(rule="region:bottom-right 30%x20%", folder="trip")
    assert "cannot be read" in plan_html(made, "en")
    list(made.run())
    (failed,) = made.failures()
    assert failed[0] == "bad.jpg" and str(made.folder) not in failed[1] and str(folder.root) not in failed[1]
    assert len(made.outputs()) == 2 and "bad.jpg" in result_html(made, 1.0, "en")


def test_uploads_lie_side_by_side_under_their_names(job, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    files = [tmp_path / "a" / "one.png", tmp_path / "b" / "two.png"]
    for seed, file in enumerate(files):
        Image.fromarray(scene(40, 50, seed)).save(file)
    made = job(folder=None, uploads=[str(f) for f in files], rule="region:top-left 30%x30%")
    assert [task["output"] for task in made.describe()["tasks"]] == ["one.png", "two.png"]
    (tmp_path / "b" / "one.png").write_bytes(files[0].read_bytes())
    with pytest.raises(PhotoError, match=r"one\.png: was uploaded twice"):
        job(folder=None, uploads=[str(files[0]), str(tmp_path / "b" / "one.png")])
    with pytest.raises(PhotoError, match="upload at least one photo"):
        job(folder=None)


@pytest.mark.parametrize(
    ("wanted", "error", "text"),
    [
        ({"rule": "/etc"}, OptionError, "is no mask rule"),
        ({"rule": "object:scribble=/etc/passwd"}, OptionError, "cannot name a file"),
        ({"rule": "text + object:scribble=x.png"}, OptionError, "cannot name a file"),
        ({"rule": "region:nowhere"}, InpaintError, "nowhere"),
        ({"masks": "one"}, MaskError, "exactly one mask"),
        ({"masks": "magic"}, OptionError, "masks must be one of"),
        ({"folder": "../"}, OptionError, "is not in the folder"),
        ({"model": "none"}, OptionError, "model must be one of"),
    ],
)
def test_wrong_wishes_are_refused_in_words(job, wanted, error, text):
    with pytest.raises(error, match=text):
        made = job(**wanted)
        list(made.run())
        raise error("; ".join(reason for _, reason in made.failures()))  # a region is looked at photo by photo


def test_stop_leaves_the_rest(job, folder):
    for seed in range(6):
        Image.fromarray(scene(60, 80, seed)).save(folder.root / "trip" / f"more{seed}.png")
    made = job(folder="trip", rule="region:top-left 30%x30%")
    made.stop()
    counts = list(made.run())[-1]
    assert counts.stopped and counts.finished < counts.total == 8
    assert f"{counts.total - counts.finished} were not begun" in result_html(made, 1.0, "en")
    assert "Stopping" in progress_html(counts, 1.0, True, "en")


def test_runs_share_the_memory(job):
    rule = "region:top-left 30%x30%"
    first, second, third = (job(folder="trip", rule=rule) for _ in range(3))
    room, turns = Room(first.memory * 2), Turns()
    held = turns.ask("somebody who fills")
    runs = [made.run(lambda: turns.turn("folder", always=True), room) for made in (first, second, third)]
    assert (next(runs[0]).total, next(runs[1]).total, next(runs[2]).total) == (2, 2, 2)
    assert not first.waits and not second.waits and third.waits
    assert "Waits until" in progress_html(third.counts, 1.0, False, "en", third.waits)
    last = job(folder="trip", rule=rule)
    stopped = last.run(room=room)
    next(stopped)
    last.stop()
    assert list(stopped)[-1].stopped and "2 were not begun" in result_html(last, 1.0, "en")
    gone = job(folder="trip", rule=rule).run(room=room)
    next(gone)
    gone.close()  # its browser went away
    held.done()
    for run in runs:
        list(run)
    assert [len(made.outputs()) for made in (first, second, third)] == [2, 2, 2] and not third.waits
    assert room.enter(last, 10**15)  # nobody is left inside


def test_the_memory_of_a_run_is_that_of_its_two_largest_photos(job, folder):
    made = job(folder="trip")
    assert made.memory == PHOTO
    for seed, side in enumerate((3000, 2000, 2500)):
        Image.new("RGB", (side, side), seed).save(folder.root / "trip" / f"{side}.png")
    assert job(folder="trip").memory == (3000**2 + 2500**2) * PER_PIXEL


def test_files_in_use_are_kept(store):
    folder = store.scratch()
    store.max_age = -1.0
    store.still_used(folder)
    assert folder.exists()
    store.sweep()
    assert not folder.exists()


def test_thumbnails(tmp_path, decoders):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(scene(300, 400)).save(tmp_path / "turned.jpg", exif=exif)
    deep = (np.arange(200 * 100 * 3, dtype=np.uint32) % 65536).astype(np.uint16).reshape(200, 100, 3)
    Image.fromarray(deep[..., 0]).save(tmp_path / "deep.png")
    (tmp_path / "bad.png").write_bytes(b"no")
    small = Thumbnails(tmp_path / "small", Limits(pixels=400 * 300), decoders)
    turned, sixteen, bad, none = small.of([tmp_path / n for n in ("turned.jpg", "deep.png", "bad.png", "none")], 80)
    assert Image.open(turned).size == (60, 80) and Image.open(turned).format == "PNG"
    assert Image.open(sixteen).size == (40, 80) and bad is None and none is None
    again = small.of([tmp_path / "turned.jpg"], 80)
    assert again == [turned]
    Image.fromarray(scene(300, 401)).save(tmp_path / "large.png")
    assert small.of([tmp_path / "large.png"], 80) == [None]


def test_language_of_a_browser():
    assert language_of("zh-CN,zh;q=0.9,en;q=0.8") == "zh-CN"
    assert language_of("zh-TW,en;q=0.5") == language_of("fr, en-GB") == language_of("") == "en"
    assert language_of("fr,zh-Hans-SG;q=0.4") == "zh-CN"
    assert set(PAGE_TEXTS) == {"en", "zh-CN"}


def test_names_that_are_no_text_are_planned_and_packed(folder, job):
    photo = os.fsdecode(b"trip/caf\xe9.png")
    (folder.root / photo).write_bytes((folder.root / "lake.png").read_bytes())
    (folder.root / os.fsdecode(b"old\xe9")).mkdir()
    assert folder.folders() == ["", "trip"] and photo in folder.photos("trip", deep=False)
    assert not sayable(photo) and sayable("caf\u00e9.png")
    made = job(folder="trip", masks="one", mask_files=[str(folder.root / "lake_mask.png")])
    page = plan_html(made, "en")
    assert "caf\\xe9.png" in page and page.encode()
    assert not [counts for counts in made.run()][-1].failed
    with zipfile.ZipFile(made.pack(1.0)) as packed:
        assert sorted(packed.namelist()) == ["caf\\xe9.png", "dune.png", "hill.png", "report.html"]
