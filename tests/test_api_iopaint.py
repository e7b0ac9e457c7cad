"""What IOPaint's own page and its scripts send, and what Clipdrop's clients send."""

import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from inpaint.web.service import ApiLimits
from tests.api_server import ServedApi, b64, mask_file, picture, pixels, sample

# The body of IOPaint's page, field by field (web_app/src/lib/api.ts at 017a3d6), its spelling mistakes included.
PAGE = {
    "ldm_steps": 30, "ldm_sampler": "ddim", "zits_wireframe": True, "cv2_flag": "INPAINT_NS", "cv2_radius": 5,
    "hd_strategy": "Crop", "hd_strategy_crop_triger_size": 640, "hd_strategy_crop_margin": 128,
    "hd_trategy_resize_imit": 2048, "prompt": "", "negative_prompt": "", "use_croper": False, "croper_x": 0,
    "croper_y": 0, "croper_height": 512, "croper_width": 512, "use_extender": False, "extender_x": 0, "extender_y": 0,
    "extender_height": 512, "extender_width": 512, "sd_mask_blur": 12, "sd_strength": 1.0, "sd_steps": 50,
    "sd_guidance_scale": 7.5, "sd_sampler": "DPM++ 2M", "sd_seed": -1, "sd_match_histograms": False,
    "sd_lcm_lora": False, "paint_by_example_example_image": None, "p2p_image_guidance_scale": 1.5,
    "enable_controlnet": False, "controlnet_conditioning_scale": 0.4, "controlnet_method": "", "enable_brushnet": False,
    "brushnet_method": "random_mask", "brushnet_conditioning_scale": 1.0, "powerpaint_task": "text-guided",
}  # fmt: skip


@pytest.fixture(scope="module")
def client():
    with ServedApi(limits=ApiLimits(per_minute=0)) as served:
        yield served.client


def url(data, media="image/png"):
    return f"data:{media};base64,{b64(data)}"


def painted(hole):
    """The page's mask: white strokes on nothing."""
    values = np.zeros((*hole.shape, 4), np.uint8)
    values[hole] = 255
    return picture(values)


def test_what_its_page_sends(client):
    photo, hole = sample()
    exif = Image.Exif()
    exif[0x010E] = "kept"
    for form in ("PNG", "JPEG", "WEBP"):
        sent = picture(photo, form, exif=exif)
        body = PAGE | {"image": url(sent, f"image/{form.lower()}"), "mask": url(painted(hole))}
        reply = client.post("/api/v1/inpaint", json=body)
        assert reply.status_code == 200 and reply.headers["content-type"] == f"image/{form.lower()}"
        assert 1 <= int(reply.headers["x-seed"]) <= 99_999_999
        result = Image.open(io.BytesIO(reply.content))
        assert result.format == form and result.getexif()[0x010E] == "kept"
        if form == "PNG":
            assert np.array_equal(pixels(reply.content)[~hole], photo[~hole])
            assert (pixels(reply.content)[hole] != photo[hole]).any()


def test_a_script_with_bare_base64_and_a_seed(client):
    photo, hole = sample()
    body = {"image": b64(picture(photo)), "mask": b64(mask_file(hole)), "sd_seed": 7}
    first, second = (client.post("/api/v1/inpaint", json=body) for _ in range(2))
    assert first.headers["x-seed"] == "7" and first.content == second.content


def test_hole_is_what_is_brighter_than_127(client):
    photo, hole = sample()
    grey = np.full(hole.shape, 127, np.uint8)
    grey[hole] = 128
    result = client.post("/api/v1/inpaint", json={"image": b64(picture(photo)), "mask": b64(picture(grey))})
    changed = (pixels(result.content) != photo).any(axis=2)
    assert changed[hole].any() and not changed[~hole].any()


def test_nothing_marked_gives_the_image_back(client):
    photo, hole = sample()
    sent = picture(photo, "JPEG")
    reply = client.post("/api/v1/inpaint", json={"image": b64(sent), "mask": b64(mask_file(hole & False))})
    assert reply.content == sent and reply.headers["content-type"] == "image/jpeg" and reply.headers["x-seed"] == "42"


def test_errors_in_its_words(client):
    photo, hole = sample()
    good, mask = b64(picture(photo)), b64(mask_file(hole))
    for body, status, text in (
        ({"image": good, "mask": b64(mask_file(hole[:30]))}, 400, "same size"),
        ({"image": "%%%", "mask": mask}, 400, "image is not base64"),
        ({"image": b64(b"hello"), "mask": mask}, 400, "is not a picture"),
        ({"mask": mask}, 422, "image"), ({"image": good, "mask": mask, "cv2_flag": "MAGIC"}, 422, "cv2_flag"),
        ({"image": good, "mask": mask, "model": "lama"}, 422, "model must be one of"),
    ):  # fmt: skip
        reply = client.post("/api/v1/inpaint", json=body)
        assert reply.status_code == status and set(reply.json()) == {"error", "detail", "body", "errors"}
        assert text in reply.json()["errors"]


def test_cv2_by_name(client):
    photo, hole = sample()
    body = {"image": b64(picture(photo)), "mask": b64(mask_file(hole))}
    for flag, engine in (("INPAINT_NS", "ns"), ("INPAINT_TELEA", "telea")):
        reply = client.post("/api/v1/inpaint", json=body | {"model": "cv2", "cv2_flag": flag})
        assert json.loads(reply.headers["x-inpaint-report"])["engines"] == engine
    assert client.get("/api/v1/model").json()["name"] == "dilated"
    chosen = client.post("/api/v1/model", json={"name": "cv2"})
    assert chosen.json()["name"] == client.get("/api/v1/model").json()["name"] == "cv2"
    reply = client.post("/api/v1/inpaint", json=body | {"cv2_flag": "INPAINT_TELEA"})
    assert json.loads(reply.headers["x-inpaint-report"])["engines"] == "telea"
    assert client.post("/api/v1/model", json={"name": "lama"}).status_code == 422
    assert client.post("/api/v1/model", json={"name": "dilated"}).status_code == 200


def test_server_config(client):
    config = client.get("/api/v1/server-config").json()
    assert set(config) == {
        "plugins", "modelInfos", "removeBGModel", "removeBGModels", "realesrganModel", "realesrganModels",
        "interactiveSegModel", "interactiveSegModels", "enableFileManager", "enableAutoSaving", "enableControlnet",
        "controlnetMethod", "disableModelSwitch", "isDesktop", "samplers",
    }  # fmt: skip
    assert [info["name"] for info in config["modelInfos"]] == ["dilated", "cv2"]
    assert set(config["modelInfos"][0]) == {
        "name", "path", "model_type", "is_single_file_diffusers", "need_prompt", "controlnets", "brushnets",
        "support_strength", "support_outpainting", "support_lcm_lora", "support_controlnet", "support_brushnet",
        "support_powerpaint_v2",
    }  # fmt: skip
    assert config["plugins"] == [{"name": "InteractiveSeg", "support_gen_image": False, "support_gen_mask": True}]
    assert client.get("/api/v1/samplers").json() == client.post("/api/v1/samplers").json() == []


def test_adjust_mask(client):
    _, hole = sample()
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    for operate, expected in (
        ("expand", cv2.dilate(hole.astype(np.uint8), kernel) > 0),
        ("shrink", cv2.erode(hole.astype(np.uint8), kernel) > 0), ("reverse", ~hole),
    ):  # fmt: skip
        body = {"mask": b64(mask_file(hole)), "operate": operate, "kernel_size": 3}
        reply = client.post("/api/v1/adjust_mask", json=body)
        values = pixels(reply.content, "RGBA")
        assert reply.headers["content-type"] == "image/png"
        assert (values[expected] == (0xFF, 0xCB, 0x00, 186)).all() and not values[~expected].any()
    assert client.post("/api/v1/adjust_mask", json=body | {"operate": "melt"}).status_code == 422


def test_run_plugin_gen_mask(client):
    photo = np.full((90, 120, 3), 200, np.uint8)
    photo[30:60, 40:80] = (200, 30, 30)
    body = {"name": "InteractiveSeg", "image": url(picture(photo)), "clicks": [[60, 45, 1], [5, 5, 0]]}
    values = pixels(client.post("/api/v1/run_plugin_gen_mask", json=body).content, "RGBA")
    assert tuple(values[45, 60]) == (0xFF, 0xCB, 0x00, 186) and not values[5, 5].any()
    assert client.post("/api/v1/run_plugin_gen_mask", json=body | {"name": "RemoveBG"}).status_code == 422
    assert client.post("/api/v1/run_plugin_gen_mask", json=body | {"clicks": [[500, 5, 1]]}).status_code == 422


def cleanup(client, photo, mask, **settings):
    return client.post("/cleanup/v1", files={"image_file": photo, "mask_file": mask}, **settings)


def test_clipdrop(client):
    photo, hole = sample()
    for mode in ({}, {"mode": "fast"}, {"mode": "quality"}):
        reply = cleanup(client, picture(photo), mask_file(hole), data=mode)
        assert reply.status_code == 200 and reply.headers["content-type"] == "image/png"
        assert np.array_equal(pixels(reply.content)[~hole], photo[~hole])
    jpeg = picture(photo, "JPEG")
    assert cleanup(client, jpeg, mask_file(hole)).headers["content-type"] == "image/png"
    assert cleanup(client, jpeg, mask_file(hole), headers={"Accept": "image/jpeg"}).content[:3] == b"\xff\xd8\xff"
    for sent, mask, mode, status in (
        (picture(photo, "WEBP"), mask_file(hole), "fast", 400), (picture(photo), jpeg, "fast", 400),
        (picture(photo), mask_file(hole[:30]), "fast", 400), (picture(photo), mask_file(hole & False), "fast", 400),
        (picture(photo), mask_file(hole), "slow", 422),
    ):  # fmt: skip
        reply = cleanup(client, sent, mask, data={"mode": mode})
        assert reply.status_code == status and list(reply.json()) == ["error"]
