"""What a run leaves of a scan beside its group page: the page of the scan, and its picture where it may be seen.

Drawn and written apart: a worker draws while it has the evidence, and the one process that holds the folder writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defaceqa.report.pictures import may_be_seen, thumbnail
from defaceqa.report.scan import is_page_of, scan_page, source_of
from defaceqa.report.scans import FIGURES
from defaceqa.whole_file import replacing

if TYPE_CHECKING:
    from defaceqa.assessment import Assessment


@dataclass(frozen=True)
class DrawnScan:
    """A scan as its readers will see it; no evidence hangs on it any more.

    Parameters
    ----------
    html : str
        Its page.
    picture : bytes or None
        Small frontal view of the defaced head (WebP) for the group page; None when it may not be seen.
    private : bool
        Whether the files are for their owner alone.
    """

    html: str
    picture: bytes | None
    private: bool


def draw_scan(assessment: Assessment, *, with_faces: bool = False) -> DrawnScan:
    """Draw page and picture of a scan.

    Parameters
    ----------
    assessment : Assessment
        With its evidence.
    with_faces : bool
        Show the original and the defaced head whatever the verdict.

    Returns
    -------
    DrawnScan
    """
    record, evidence = assessment.as_dict(), assessment.features.evidence
    picture = thumbnail(evidence, may_be_seen(record, with_faces=with_faces))
    return DrawnScan(scan_page(record, evidence, with_faces=with_faces), picture, with_faces)


def write_scan(drawn: DrawnScan, folder: Path, name: str) -> None:
    """Write ``NAME.html`` and ``figures/NAME.webp``; a picture that may not be seen any more goes.

    Parameters
    ----------
    drawn : DrawnScan
    folder : Path
        Where the group page will lie; the caller writes there alone, and has seen to it that it is no data set to be
        released.
    name : str
        ``sub-01_T1w``.
    """
    page, picture = _files(folder, name)
    if drawn.picture is None:
        picture.unlink(missing_ok=True)
    else:
        picture.parent.mkdir(exist_ok=True)
        _write(drawn.picture, picture, drawn.private)
    _write(drawn.html.encode(), page, drawn.private)


def remove_scan(folder: Path, name: str) -> None:
    """Remove what an earlier run drew of a scan, if anything."""
    for file in _files(folder, name):
        file.unlink(missing_ok=True)


def is_drawn(record: Mapping[str, Any], folder: Path, name: str, *, with_faces: bool) -> bool:
    """Whether a folder holds just what :func:`write_scan` would write for this record."""
    page, picture = _files(folder, name)
    source = source_of(has_evidence=True, with_faces=with_faces)
    return is_page_of(record, page, source) and picture.is_file() == may_be_seen(record, with_faces=with_faces).defaced


def _write(content: bytes, file: Path, private: bool) -> None:
    with replacing(file, private=private, lasting=True) as partial:
        partial.write_bytes(content)


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.html", folder / FIGURES / f"{name}.webp"
