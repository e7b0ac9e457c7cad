"""Schemathesis against our own OpenAPI description: whatever it thinks of, no answer is a fault of the server."""

import hypothesis
import pytest

from inpaint.web.service import ApiLimits
from tests.api_server import ServedApi, mask_file, picture, sample

schemathesis = pytest.importorskip("schemathesis")
OPERATIONS = (
    ("POST", "/v1/fill"), ("POST", "/v1/mask/{kind}"), ("GET", "/v1/models"), ("POST", "/v1/jobs"),
    ("GET", "/v1/jobs/{name}"), ("GET", "/v1/jobs/{name}/events"), ("GET", "/v1/jobs/{name}/result"),
    ("DELETE", "/v1/jobs/{name}"), ("POST", "/api/v1/inpaint"), ("POST", "/api/v1/run_plugin_gen_mask"),
    ("POST", "/api/v1/adjust_mask"), ("GET", "/api/v1/server-config"), ("GET", "/api/v1/model"),
    ("POST", "/api/v1/model"), ("GET", "/api/v1/samplers"), ("POST", "/cleanup/v1"), ("GET", "/health"),
    ("GET", "/ready"), ("GET", "/metrics"),
)  # fmt: skip
EXAMPLES = 25  # of each operation


@pytest.fixture(scope="module")
def served():
    limits = ApiLimits(per_minute=0, pixels=2_000_000, waiting=1000, jobs=10_000)
    with ServedApi(limits=limits) as served:
        yield served


@pytest.fixture(scope="module")
def schema(served):
    return schemathesis.openapi.from_url(f"{served.address}/openapi.json")


def test_all_operations_are_described(schema):
    found = {(o.ok().method.upper(), o.ok().path) for o in schema.get_all_operations()}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(operation) for operation in OPERATIONS])
def test_no_server_error(served, schema, method, path):
    seen = []

    @hypothesis.settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.generate],
    )  # fmt: skip
    @hypothesis.given(case=schema[path][method].as_strategy())
    def ask(case):
        reply = case.call(timeout=60)
        seen.append(reply.status_code)
        assert reply.status_code < 500, f"{reply.status_code} {reply.text[:500]} for {case.as_curl_command()[:2000]}"

    ask()
    assert seen and served.client.get("/health").status_code == 200


@pytest.mark.parametrize("damage", range(3))
def test_damaged_pictures_are_the_senders_fault(served, damage):
    """Real files with bytes changed, in every format: where schemathesis sends noise, this reaches the decoders."""
    import numpy as np

    rng = np.random.default_rng(damage)
    photo, hole = sample()
    for form in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        data = bytearray(picture(photo, form))
        for place in rng.integers(0, len(data), 1 + 10 * damage):
            data[place] = rng.integers(256)
        files = {"photo": bytes(data[: len(data) - 100 * damage]), "mask": mask_file(hole)}
        reply = served.client.post("/v1/fill", files=files, data={"engine": "ns"})
        assert reply.status_code in (200, 400, 422), (form, reply.text)
