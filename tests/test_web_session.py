import threading

import numpy as np
import pytest
from PIL import Image

from inpaint.errors import EmptyMask, InpaintError, MaskError, OptionError, PhotoError
from inpaint.photo.limits import Limits
from inpaint.web.actions import Actions, edited
from inpaint.web.networks import Networks
from inpaint.web.pictures import proxy_size
from inpaint.web.session import MOST_STEPS, SessionGone, safe_name
from inpaint.web.work import Busy, restore, with_progress
from tests.conftest import scene

SQUARE = [{"tool": "polygon", "points": [20, 20, 50, 20, 50, 45, 20, 45]}]
SPOT = [{"tool": "brush", "radius": 4, "points": [70, 30]}]


@pytest.fixture
def actions(store, inpainter, tmp_path):
    return Actions(store, Networks.of(inpainter), lambda: str(tmp_path))


def open_photo(actions, tmp_path, pixels=None, name="holiday.png", **settings):
    Image.fromarray(scene(72, 96) if pixels is None else pixels).save(tmp_path / name, **settings)
    reply = actions.ask({"action": "open", "path": str(tmp_path / name), "name": name})
    assert "error" not in reply, reply
    return reply["state"]


def last(messages):
    messages = list(messages)
    assert all(m["kind"] == "progress" for m in messages[:-1])
    return messages[-1]


def fill(actions, state, operations=SQUARE, work="fill", **options):
    request = {"work": work, "token": state["token"], "operations": operations}
    return last(actions.work(request, {"engine": "telea"} | options, ""))


def shown(path):
    return np.array(Image.open(path))


def test_a_fill_becomes_the_next_photo_and_changes_only_the_hole(actions, tmp_path):
    state = open_photo(actions, tmp_path)
    done = fill(actions, state)
    assert (done["kind"], done["made"], done["state"]["current"]) == ("done", 1, 1)
    session = actions.store.get(state["token"])
    hole = session.hole(1)
    assert hole.sum() == 30 * 25 and hole[20:45, 20:50].all()
    before, after = shown(state["steps"][0]["picture"]), shown(done["state"]["steps"][1]["picture"])
    assert np.array_equal(before, scene(72, 96))
    assert np.array_equal(before[~hole], after[~hole]) and (before[hole] != after[hole]).any()
    report = done["state"]["steps"][1]["report"]
    assert (report["changed"], report["kept"], report["filled"]) == (0, 72 * 96 - 750, 750)
    again = fill(actions, state, SPOT)
    assert again["state"]["steps"][2]["parent"] == 1
    assert np.array_equal(session.pixels(2)[hole], session.pixels(1)[hole])


def test_undo_redo_and_branches(actions, tmp_path):
    state = open_photo(actions, tmp_path)
    token = state["token"]
    fill(actions, state)
    fill(actions, state, SPOT)
    go = lambda step: actions.ask({"action": "go", "token": token, "step": step})["state"]  # noqa: E731
    at_first = go(1)
    assert (at_first["undo"], at_first["redo"]) == (0, 2)
    at_start = go(0)
    assert (at_start["undo"], at_start["redo"]) == (-1, 1)
    branch = fill(actions, state, SPOT)["state"]
    assert branch["steps"][3]["parent"] == 0 and go(0)["redo"] == 3
    assert go(2)["current"] == 2 and go(0)["redo"] == 1
    missing = actions.ask({"action": "go", "token": token, "step": 99})["error"]
    assert missing == {"kind": "", "text": "this step is not on the server"}  # and the photo is


def test_pixels_survive_being_let_go(actions, tmp_path):
    state = open_photo(actions, tmp_path)
    fill(actions, state)
    fill(actions, state, SPOT)
    session = actions.store.get(state["token"])
    before = session.pixels(2).copy()
    session.let_go()
    assert np.array_equal(session.pixels(2), before)
    assert np.array_equal(session.pixels(0), scene(72, 96))


def test_restore_brings_the_original_back(actions, tmp_path):
    state = open_photo(actions, tmp_path)
    fill(actions, state)
    part = [{"tool": "polygon", "points": [20, 20, 35, 20, 35, 45, 20, 45]}]
    reply = actions.ask({"action": "restore", "token": state["token"], "operations": part})
    now = actions.store.get(state["token"]).pixels(reply["made"])
    assert np.array_equal(now[20:45, 20:35], scene(72, 96)[20:45, 20:35])
    assert (now[20:45, 35:50] != scene(72, 96)[20:45, 35:50]).any()
    nothing = actions.ask({"action": "restore", "token": state["token"], "operations": SPOT})
    assert "nothing to restore" in nothing["error"]["text"]


def test_two_restored_strokes_at_once_are_both_kept(actions, tmp_path, monkeypatch):
    state = open_photo(actions, tmp_path)
    fill(actions, state)
    session = actions.store.get(state["token"])
    real, second = session.add_step, []
    right = [{"tool": "polygon", "points": [35, 20, 50, 20, 50, 45, 35, 45]}]

    def add_step(*given):  # the second stroke comes while the first one is being kept
        if not second:
            second.append(threading.Thread(target=restore, args=(session, right)))
            second[0].start()
            second[0].join(0.3)
        return real(*given)

    monkeypatch.setattr(session, "add_step", add_step)
    restore(session, [{"tool": "polygon", "points": [20, 20, 35, 20, 35, 45, 20, 45]}])
    second[0].join()
    assert [step.parent for step in session.steps] == [-1, 0, 1, 2] and session.current == 3
    assert np.array_equal(session.pixels(3), scene(72, 96))


def test_candidates_are_alternatives_and_again_takes_another_seed(actions, tmp_path):
    state = open_photo(actions, tmp_path)
    done = fill(actions, state, engine="detail", candidates=3, seed=5)["state"]
    made = done["steps"][1:]
    assert [step["group"] for step in made] == [1, 1, 1] and done["current"] == 1
    pictures = [shown(step["picture"]) for step in made]
    assert (pictures[0] != pictures[1]).any() and (pictures[0] != pictures[2]).any()
    again = fill(actions, state, [], "again", engine="detail")["state"]
    assert again["steps"][4]["parent"] == 0 and again["steps"][4]["report"]["seed"] == 6
    trust = actions.ask({"action": "trust", "token": state["token"], "step": 1, "kind": "disagreement"})
    assert trust["largest"] > 0 and shown(trust["picture"]).shape == (72, 96, 4)


def test_trust_by_depth_shows_where_the_hole_is_deep(actions, tmp_path):
    state = open_photo(actions, tmp_path)
    fill(actions, state, engine="network")
    reply = actions.ask({"action": "trust", "token": state["token"], "step": 1})
    overlay = shown(reply["picture"])
    assert (overlay[..., 3] > 0).sum() == 750
    assert 0 < reply["largest"] < 1 and reply["blind"] == 0
    assert overlay[32, 35, 2] < overlay[20, 20, 2]  # less blue in the middle
    fill(actions, state, SPOT, engine="telea")
    assert actions.ask({"action": "trust", "token": state["token"], "step": 2})["blind"] == 1
    assert "no fill" in actions.ask({"action": "trust", "token": state["token"], "step": 0})["error"]["text"]
    only = actions.ask({"action": "trust", "token": state["token"], "step": 1, "kind": "disagreement"})
    assert "no alternatives" in only["error"]["text"]


KINDS = [("a.png", {}), ("b.jpg", {"quality": 90}), ("c.webp", {"lossless": True})]


@pytest.mark.parametrize(("name", "settings"), KINDS)
def test_download_has_the_photos_format_name_and_proof(actions, tmp_path, name, settings):
    state = open_photo(actions, tmp_path, name=name, **settings)
    fill(actions, state)
    reply = actions.ask({"action": "download", "token": state["token"], "step": 1})
    assert reply["name"] == name.replace(".", "_filled.") and "kept pixels" in reply["proof"]
    with Image.open(reply["file"]) as file, Image.open(actions.store.get(state["token"]).path) as source:
        assert file.format == source.format
        if name != "b.jpg":
            hole = actions.store.get(state["token"]).hole(1)
            assert np.array_equal(np.array(file)[~hole], np.array(source)[~hole])
    png = actions.ask({"action": "download", "token": state["token"], "step": 1, "png": True})
    assert np.array_equal(shown(png["file"]), actions.store.get(state["token"]).pixels(1))
    assert actions.ask({"action": "download", "token": state["token"], "step": 0})["name"] == name


def test_a_wrong_ending_is_put_right(actions, tmp_path):
    Image.fromarray(scene(30, 40)).save(tmp_path / "x", "PNG")
    (tmp_path / "x").rename(tmp_path / "really.jpg")
    reply = actions.ask({"action": "open", "path": str(tmp_path / "really.jpg"), "name": "really.jpg"})
    token = reply["state"]["token"]
    assert actions.ask({"action": "download", "token": token, "step": 0})["name"] == "really.png"


@pytest.mark.parametrize("name", ["0.png", "1.png", "0-small.png", "1-hole.npy", "photo"])
def test_a_photo_may_be_named_like_a_file_of_the_history(actions, tmp_path, name):
    photo = np.dstack([scene(60, 80), np.full((60, 80), 255, np.uint8)])
    Image.fromarray(photo).save(tmp_path / "up", "PNG", dpi=(300, 300))
    uploaded = (tmp_path / "up").read_bytes()
    state = actions.ask({"action": "open", "path": str(tmp_path / "up"), "name": name})["state"]
    fill(actions, state)
    assert state["name"] == name
    session = actions.store.get(state["token"])
    assert session.path.read_bytes() == uploaded
    session.let_go()
    reply = actions.ask({"action": "download", "token": state["token"], "step": 0})
    assert np.array_equal(shown(reply["file"]), photo)
    assert not any("/" in text for text in (reply["name"], reply["proof"], *reply["notes"]))
    session.path.unlink()
    lost = actions.ask({"action": "download", "token": state["token"], "step": 1})
    assert lost["error"]["text"].startswith(f"{name}: ")
    actions.store.max_age = -1
    actions.store.sweep()
    assert not session.path.exists() and not session.folder.exists()


def test_masks_up_and_down(actions, tmp_path):
    state = open_photo(actions, tmp_path)
    token = state["token"]
    saved = actions.ask({"action": "save_mask", "token": token, "operations": SQUARE})
    assert saved["name"] == "holiday_mask.png"
    picture = Image.open(saved["file"])
    assert picture.mode == "L" and (np.array(picture) == 255).sum() == 750
    Image.fromarray(np.array(picture)).save(tmp_path / "up.png")
    up = actions.ask({"action": "upload_mask", "token": token, "path": str(tmp_path / "up.png")})
    assert up["mask"]["pixels"] == 750
    done = fill(actions, state, [{"tool": "mask", "id": up["mask"]["id"], "mode": "add"}])
    assert done["state"]["steps"][1]["report"]["filled"] == 750
    Image.fromarray(np.zeros((50, 50), np.uint8)).save(tmp_path / "wrong.png")
    wrong = actions.ask({"action": "upload_mask", "token": token, "path": str(tmp_path / "wrong.png")})
    assert str(tmp_path) not in wrong["error"]["text"] and "wrong.png" in wrong["error"]["text"]


def test_edits_of_the_mask(actions, tmp_path):
    token = open_photo(actions, tmp_path)["token"]
    edit = lambda kind, pixels=3: actions.ask(  # noqa: E731
        {"action": "edit", "token": token, "operations": SQUARE, "kind": kind, "pixels": pixels}
    )
    assert edit("grow")["mask"]["pixels"] > 750 > edit("shrink")["mask"]["pixels"] == 24 * 19
    assert edit("invert")["mask"]["pixels"] == 72 * 96 - 750
    assert edit("shrink", 40)["error"]["kind"] == "empty"
    assert "not by 'melt'" in edit("melt")["error"]["text"]
    region = actions.ask({"action": "region", "token": token, "region": "bottom-right 50%x50%"})
    assert region["mask"]["pixels"] == 36 * 48
    with pytest.raises(OptionError):
        edited(np.ones((3, 3), bool), "melt", 1)


def test_errors_have_kinds_and_name_no_folders(actions, tmp_path):
    state = open_photo(actions, tmp_path)
    assert fill(actions, state, [])["error"]["kind"] == "empty"
    lost = fill(actions, state, [{"tool": "mask", "id": "m0"}])["error"]
    assert lost == {"kind": "", "text": "this mask is no longer on the server, paint it again"}
    everything = [{"tool": "polygon", "points": [-1, -1, 200, -1, 200, 200, -1, 200]}]
    assert "whole photo" in fill(actions, state, everything)["error"]["text"]
    assert "engine must be one of" in fill(actions, state, engine="magic")["error"]["text"]
    assert actions.ask({"action": "resume", "token": "guess"})["error"]["kind"] == "gone"
    assert "does not know" in actions.ask({"action": "fly", "token": state["token"]})["error"]["text"]
    assert "cannot be done" in actions.ask({"action": "go", "token": state["token"]})["error"]["text"]
    (tmp_path / "broken one.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo")
    broken = actions.ask({"action": "open", "path": str(tmp_path / "broken one.jpg"), "name": "broken one.jpg"})
    assert broken["error"]["text"].startswith("broken one.jpg: ") and str(actions.store.root) not in str(broken)
    assert [folder.name for folder in actions.store.root.iterdir()] == [state["token"]]


def test_only_uploads_are_opened(actions, tmp_path, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.png"
    Image.fromarray(scene(20, 20)).save(secret)
    for path in (str(secret), str(tmp_path / ".." / secret.parent.name / secret.name), "", "/etc/passwd"):
        reply = actions.ask({"action": "open", "path": path, "name": "x.png"})
        assert "was not uploaded here" in reply["error"]["text"]
    assert secret.exists()
    (tmp_path / "link.png").symlink_to(secret)
    with pytest.raises(PhotoError):
        actions.uploaded(str(tmp_path / "link.png"))


def test_one_upload_serves_any_number_of_photos_and_masks(actions, tmp_path):
    Image.fromarray(np.uint8(scene(72, 96)[..., 0] > 150) * 255).save(tmp_path / "same.png")
    path = str(tmp_path / "same.png")  # the path of every upload of this file under this name
    first, second = (actions.ask({"action": "open", "path": path, "name": "same.png"})["state"] for _ in range(2))
    assert first["token"] != second["token"]
    for state in (first, second):
        assert actions.ask({"action": "upload_mask", "token": state["token"], "path": path})["mask"]["pixels"] > 0
    assert "state" in actions.ask({"action": "open", "path": path, "name": "same.png"})


def test_cancel_stops_and_adds_nothing(actions, tmp_path):
    state = open_photo(actions, tmp_path)
    request = {"work": "fill", "token": state["token"], "operations": SQUARE}
    messages = actions.work(request, {"engine": "network"}, "")
    first = next(messages)
    assert first["kind"] == "progress"
    assert actions.ask({"action": "cancel", "token": state["token"]}) == {}
    end = list(messages)[-1]
    assert end["kind"] == "error" and end["error"]["kind"] == "cancelled"
    assert len(actions.ask({"action": "resume", "token": state["token"]})["state"]["steps"]) == 1
    assert fill(actions, state)["kind"] == "done"


def test_one_piece_of_work_at_a_time(actions, tmp_path):
    session = actions.store.get(open_photo(actions, tmp_path)["token"])
    first = with_progress(session, lambda tell: {"kind": "done"})
    session.busy = True
    with pytest.raises(Busy):
        next(first)
    session.busy = False

    def fail(tell):
        raise MaskError("as planned")

    with pytest.raises(MaskError, match="as planned"):
        list(with_progress(session, fail))
    assert list(with_progress(session, lambda tell: {"kind": "done"})) == [{"kind": "done"}]


def test_old_sessions_and_their_files_are_removed(actions, tmp_path):
    state = open_photo(actions, tmp_path)
    folder = actions.store.get(state["token"]).folder
    actions.store.max_age = -1
    scratch = actions.store.scratch()
    actions.store.sweep()
    assert not folder.exists() and not scratch.exists()
    with pytest.raises(SessionGone):
        actions.store.get(state["token"])


def test_limits(store, tmp_path):
    store.limits = Limits(pixels=1000)
    Image.fromarray(scene(40, 40)).save(tmp_path / "large.png")
    with pytest.raises(PhotoError, match="too many"):
        store.open(tmp_path / "large.png", "large.png")
    store.limits = Limits()
    Image.fromarray(scene(20, 20)).save(tmp_path / "small.png")
    session = store.open(tmp_path / "small.png", "small.png")
    session.steps = session.steps * MOST_STEPS
    with pytest.raises(InpaintError, match="200 steps"):
        session.add_step(0, "fill", session.pixels(0), np.zeros((20, 20), bool), {})


def test_large_photos_are_shown_smaller_but_kept_whole(actions, tmp_path):
    photo = np.tile(scene(150, 200), (10, 20, 1))[:1500, :4000]
    state = open_photo(actions, tmp_path, photo, "large.png", compress_level=1)
    assert state["proxy"] == list(proxy_size(4000, 1500)) and state["proxy"][0] < 4000
    assert Image.open(state["steps"][0]["picture"]).size == tuple(state["proxy"])
    done = fill(actions, state, [{"tool": "brush", "radius": 30, "points": [2000.5, 700.25]}])
    session = actions.store.get(state["token"])
    hole = session.hole(1)
    assert abs(hole.sum() - np.pi * 900) < 60 and np.array_equal(session.pixels(1)[~hole], photo[~hole])
    mask = shown(done["state"]["steps"][1]["mask"]["picture"])
    assert mask.shape[::-1] == tuple(state["proxy"]) and set(np.unique(mask)) == {0, 255}


def test_transparency_and_profile_are_shown(actions, tmp_path):
    rgba = np.dstack([scene(40, 60), np.full((40, 60), 120, np.uint8)])
    state = open_photo(actions, tmp_path, rgba, "clear.png", icc_profile=b"\0" * 16 + b"RGB " + b"\0" * 108)
    picture = Image.open(state["steps"][0]["picture"])
    assert picture.mode == "RGBA" and picture.info["icc_profile"][16:20] == b"RGB "


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../../etc/passwd", "passwd"), ("C:\\x\\photo.jpg", "photo.jpg"), (".hidden", "hidden"), ("", "photo"),
     ("a\nb.png", "ab.png"), ("猫 .png", "猫 .png"), ("x" * 300 + ".jpeg", "x" * 160 + ".jpeg"),
     ("猫" * 100 + ".png", "猫" * 53 + ".png")],
)  # fmt: skip
def test_names_of_uploads(name, safe):
    assert safe_name(name) == safe


def test_nothing_found(actions, tmp_path, monkeypatch):
    state = open_photo(actions, tmp_path)
    monkeypatch.setattr("inpaint.web.actions.find_text", lambda photo, sensitivity: np.zeros(photo.shape[:2], bool))
    found = last(actions.work({"work": "text", "token": state["token"]}, {}, ""))
    assert found["error"]["kind"] == "no-text"
    monkeypatch.setattr("inpaint.web.actions.find_text", lambda photo, sensitivity: photo[..., 0] > 150)
    found = last(actions.work({"work": "text", "token": state["token"], "margin": 2}, {}, ""))
    assert found["mask"]["pixels"] > (scene(72, 96)[..., 0] > 150).sum() > 0
    assert "does not know" in last(actions.work({"work": "dance", "token": state["token"]}, {}, ""))["error"]["text"]
    with pytest.raises(EmptyMask):
        edited(np.ones((3, 3), bool), "invert", 0)


def test_again_goes_on_from_the_seed_that_was_asked_for(actions, tmp_path):
    state = open_photo(actions, tmp_path, scene(144, 192))
    speck = [{"tool": "brush", "radius": 0.5, "points": [180, 130]}]
    first = fill(actions, state, [*SQUARE, *speck], engine="auto", seed=5)["state"]
    assert sorted(hole["seed"] for hole in first["steps"][1]["report"]["holes"]) == [0, 5]
    assert first["steps"][1]["report"]["seed"] == 5
    for number, seed in ((2, 6), (3, 7)):
        again = fill(actions, state, [], "again", engine="auto")["state"]
        assert again["steps"][number]["report"]["seed"] == seed and again["steps"][number]["parent"] == 0
    telea = fill(actions, state, [], "again", engine="telea")["state"]
    assert telea["steps"][4]["report"]["seed"] == 0
    assert fill(actions, state, [], "again", engine="detail")["state"]["steps"][5]["report"]["seed"] == 9
    assert len(fill(actions, state, [], "again", engine="telea")["state"]["steps"]) == 7
    same = fill(actions, state, [], "again", engine="telea")["error"]["text"]
    assert same == "this engine gives the same fill with every seed, choose another one"


def test_work_goes_on_from_the_step_that_the_page_shows(actions, tmp_path):
    state = open_photo(actions, tmp_path)
    fill(actions, state)
    session = actions.store.get(state["token"])
    actions.ask({"action": "go", "token": state["token"], "step": 0})  # in another tab
    request = {"work": "fill", "token": state["token"], "operations": SPOT, "step": 1}
    assert last(actions.work(request, {"engine": "telea"}, ""))["state"]["steps"][2]["parent"] == 1
    assert session.base(None) == 2 and session.base(1) == 1 and session.base(0) == 0
    restore(session, SPOT)
    assert session.base(2) == session.current == 3  # what was restored meanwhile counts
    missing = last(actions.work(request | {"step": 9}, {"engine": "telea"}, ""))
    assert missing["error"]["text"] == "this step is not on the server" and len(session.steps) == 4


def test_restore_goes_on_from_the_step_that_the_page_shows(actions, tmp_path):
    """A tab that shows the first fill brings back what it shows, though another tab filled elsewhere since."""
    state = open_photo(actions, tmp_path)
    fill(actions, state)
    actions.ask({"action": "go", "token": state["token"], "step": 0})
    fill(actions, state, SPOT)
    asked = {"action": "restore", "token": state["token"], "step": 1, "operations": SQUARE}
    steps = actions.ask(asked)["state"]["steps"]
    assert [step["parent"] for step in steps] == [-1, 0, 0, 1] and steps[3]["report"]["filled"] > 0
