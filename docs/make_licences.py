"""Makes docs/licences.md and docs/sbom.cdx.json: what the project and its extras install, and under which licences.

    pip install 'inpaint-dilated[train,evaluate,heif,jpeg,onnx,cluster,masks]' && python docs/make_licences.py

Names, versions and licences are those that the packages installed here state themselves (`importlib.metadata`); nothing
is looked up elsewhere. The bill of materials is CycloneDX 1.6. `--check` writes nothing and fails where a dependency
is missing from the committed list.
"""

import argparse
import json
import re
import sys
import tomllib
import uuid
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PAGE, SBOM = ROOT / "docs" / "licences.md", ROOT / "docs" / "sbom.cdx.json"
# What older packages write instead of an SPDX name, in `License` or as a classifier.
SPDX = {
    "apache": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache software license": "Apache-2.0",
    "mit license": "MIT", "isc license (iscl)": "ISC", "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0", "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
}  # fmt: skip
VALIDATE = (
    "from cyclonedx.validation.json import JsonStrictValidator as V; from cyclonedx.schema import SchemaVersion as S; "
    "print(V(S.V1_6).validate_str(open('docs/sbom.cdx.json').read()) or 'valid')"
)
BSD = "BSD (kind not stated)"
UNVERSIONED = {"bsd": BSD, "bsd license": BSD, "mpl": "MPL (version not stated)"}


@dataclass
class Package:
    """An installed distribution: its name and version, its licence as stated, and who asks for it."""

    name: str
    version: str
    licence: str
    extras: set[str] = field(default_factory=set)  # empty string: the project itself
    needs: set[str] = field(default_factory=set)


def canonical(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def stated_licence(distribution: metadata.Distribution) -> str:
    """The licence of a distribution's metadata: an SPDX expression where it states one or can be read as one.

    The expression counts first, then a short `License` field, then the classifiers, then the first line of the text.
    """
    about: Any = distribution.metadata
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    text = (about.get("License") or "").strip()
    classifiers = [c.rsplit(" :: ", 1)[-1] for c in about.get_all("Classifier") or [] if c.startswith("License :: ")]
    classifiers = [c for c in classifiers if c != "OSI Approved"]
    candidates = [text] if text and "\n" not in text and len(text) < 60 else []
    candidates += [" AND ".join(SPDX.get(c.lower(), c) for c in classifiers)] if classifiers else []
    candidates += [text.splitlines()[0].strip(" =")] if text else []
    read = [spdx(candidate) for candidate in candidates]
    found = next((r for r in read if is_spdx(r)), next(iter(read), "not stated"))
    return bsd_kind(distribution, text) if found == BSD or BSD in read else found


def bsd_kind(distribution: metadata.Distribution, text: str) -> str:
    """BSD-2-Clause or BSD-3-Clause, told apart by the clause on names in the licence text, if there is a text."""
    files = [f for f in distribution.files or [] if re.fullmatch(r"(LICEN[CS]E|COPYING)(\.\w{2,3})?", f.name, re.I)]
    words = " ".join([text, *(f.locate().read_text(errors="replace") for f in files if f.locate().is_file())]).split()
    whole = " ".join(words).lower()
    if "redistribution and use in source and binary forms" not in whole:
        return BSD
    third = re.search(r"neither the names? of|names? of .{0,80}may not be used", whole)
    return "BSD-3-Clause" if third else "BSD-2-Clause"


def spdx(text: str) -> str:
    """A licence's SPDX name if the text is one or is known to mean one, else the text."""
    if text.lower() in SPDX | UNVERSIONED:
        return (SPDX | UNVERSIONED)[text.lower()]
    return canonicalize_license_expression(text) if is_spdx(text) else text


def is_spdx(text: str) -> bool:
    """Whether a text is an SPDX licence expression."""
    try:
        canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return False
    return True


def requirements(name: str, extras: set[str]) -> list[Requirement]:
    """What an installed distribution needs on this machine."""
    found = [Requirement(text) for text in metadata.requires(name) or []]
    return [r for r in found if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in ("", *extras))]


def collect(project: dict[str, Any]) -> tuple[dict[str, Package], set[str]]:
    """All packages by name, and the names of those that are asked for but not installed here."""
    packages: dict[str, Package] = {}
    missing: set[str] = set()

    def visit(need: Requirement, extra: str, asking: Package | None) -> None:
        name = canonical(need.name)
        try:
            distribution = metadata.distribution(need.name)
        except metadata.PackageNotFoundError:
            missing.add(name)
            return
        if asking:
            asking.needs.add(name)
        fresh = Package(name, distribution.version.partition("+")[0], stated_licence(distribution))
        package = packages.setdefault(name, fresh)
        if extra in package.extras:
            return
        package.extras.add(extra)
        for further in requirements(need.name, need.extras):
            visit(further, extra, package)

    for extra, needs in {"": project["dependencies"], **project["optional-dependencies"]}.items():
        for text in needs:
            visit(Requirement(text), extra, None)
    return dict(sorted(packages.items())), missing


def page_text(packages: dict[str, Package]) -> str:
    """docs/licences.md."""
    rows = []
    for p in packages.values():
        extras = "" if "" in p.extras else ", ".join(sorted(p.extras))
        rows.append(f"| {p.name} | {p.version} | {p.licence} | {extras} |")
    own = sum("" in p.extras for p in packages.values())
    return "\n".join([
        "# Licences of what is installed", "",
        "Inpaint itself is Apache-2.0 (`LICENSE`). Nothing of the packages below is part of it; pip installs them",
        "beside it. Licences are as the packages state them, in one of the versions that `pyproject.toml`",
        "allows; where one states no more than BSD, the kind is read from its licence text. The last column names the",
        f"extra that brings a package, where it is not needed otherwise: {own} packages without extras, {len(rows)}",
        "with all of them, on Linux with the CPU build of torch. The CUDA builds of torch bring further packages,",
        "NVIDIA's own under its own terms among them.", "",
        "Made by `python docs/make_licences.py`, as is the same list as a CycloneDX 1.6 document,",
        "`sbom.cdx.json`, which this validates in an environment of its own:", "", "```",
        "pip install 'cyclonedx-python-lib[json-validation]'", f"python -c \"{VALIDATE}\"", "```", "",
        "| package | version | licence | extra |", "|---|---|---|---|", *rows, "",
    ])  # fmt: skip


def sbom(project: dict[str, Any], version: str, packages: dict[str, Package]) -> dict[str, Any]:
    """The CycloneDX 1.6 document; the same packages give the same document."""
    references = {name: f"pkg:pypi/{name}@{quote(p.version, safe='')}" for name, p in packages.items()}
    own = f"pkg:pypi/{project['name']}@{version}"
    components = [
        {"type": "library", "bom-ref": references[p.name], "name": p.name, "version": p.version,
         "purl": references[p.name], "scope": "required" if "" in p.extras else "optional",
         "licenses": [{"expression": p.licence} if is_spdx(p.licence) else {"license": {"name": p.licence}}]}
        for p in packages.values()
    ]  # fmt: skip
    tops = [d for needs in [project["dependencies"], *project["optional-dependencies"].values()] for d in needs]
    direct = {canonical(Requirement(text).name) for text in tops} & packages.keys()
    needs = {own: direct, **{references[p.name]: p.needs for p in packages.values()}}
    document = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": own, "name": project["name"], "version": version,
                          "purl": own, "licenses": [{"expression": project["license"]}]},
        },
        "components": components,
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(references[name] for name in names)} for ref, names in needs.items()
        ],
    }  # fmt: skip
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    return {**document, "serialNumber": f"urn:uuid:{serial}"}


def main() -> int:
    """Write both files, or check that they name everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the list lacks a dependency")
    args = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages, missing = collect(project)
    if args.check:
        listed = set(re.findall(r"^\| ([a-z0-9-]+) \|", PAGE.read_text(encoding="utf-8"), re.M))
        lacking = sorted((packages.keys() | missing) - listed)
        print(f"not listed: {', '.join(lacking)}" if lacking else "every dependency is listed")
        return 1 if lacking else 0
    if missing:
        print(f"error: not installed here: {', '.join(sorted(missing))}", file=sys.stderr)
        return 1
    version = re.search(r'__version__ = "(.+)"', (ROOT / "inpaint" / "__init__.py").read_text(encoding="utf-8"))
    assert version
    PAGE.write_text(page_text(packages), encoding="utf-8")
    SBOM.write_text(json.dumps(sbom(project, version[1], packages), indent=1) + "\n", encoding="utf-8")
    unclear = [p.name for p in packages.values() if not is_spdx(p.licence)]
    print(f"{len(packages)} packages; no SPDX name for {', '.join(unclear) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
