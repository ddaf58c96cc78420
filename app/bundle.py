"""Where the browser gets Vega from: one file, made once from the installed packages, never a CDN.

`python -m app.bundle` writes it; the live page does the same when it is missing.
"""

import hashlib
import os
import sys
from importlib.metadata import version
from pathlib import Path

import altair

STATIC = Path(__file__).parent / "static"
_SNIPPET = "export { vegaEmbed };"


def vega_lite_version() -> str:
    """The Vega-Lite release that Altair writes for, as the bundler spells it: `6.4`."""
    return ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def bundle_path(folder: Path = STATIC) -> Path:
    """The bundle's file; its name changes with the packages, so no browser keeps an old one."""
    sources = f"{version('vl-convert-python')} {vega_lite_version()} {_SNIPPET}"
    return folder / f"vega-{hashlib.sha256(sources.encode()).hexdigest()[:10]}.bundle.js"


def ensure_bundle(folder: Path = STATIC) -> Path:
    """Write the bundle unless it is there already; two servers may do so at once."""
    path = bundle_path(folder)
    if path.exists():
        return path
    import vl_convert  # 60 MB of bundler, needed once in the life of a checkout

    text = vl_convert.javascript_bundle(_SNIPPET, vl_version=vega_lite_version())
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    return path


def module_url(name: str, folder: Path = STATIC) -> str:
    """The address of a static module, with its content's hash, so that browsers may cache it."""
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()[:10]
    return f"app/static/{name}?v={digest}"


def bundle_url() -> str:
    """The address of the bundle, which is written if it is missing."""
    return f"app/static/{ensure_bundle().name}"


if __name__ == "__main__":
    sys.stdout.write(f"{ensure_bundle()}\n")
