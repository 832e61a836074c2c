"""Pages and pictures of a run. The process that holds the folder writes them, as it does the records, and no worker.

So a run that was killed leaves nobody behind who still writes, a cluster's workers need not see the folder, and no
network file system shows the group level a folder older than it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from defaceqa.batch.folder import refusing
from defaceqa.batch.settings import Pages
from defaceqa.batch.task import Done
from defaceqa.datasets import PairFiles


def keep_pages(done: Done, out: Path) -> None:
    """Write what was drawn of a scan, or remove what an earlier run drew: it tells of a judgement that is no more.

    Raises
    ------
    OutputError
    """
    from defaceqa.report import remove_scan, write_scan

    with refusing(out):
        if done.drawn is None:
            remove_scan(out, done.pair.name.text)
        else:
            write_scan(done.drawn, out, done.pair.name.text)


def has_pages(record: Mapping[str, Any], out: Path, pair: PairFiles, pages: Pages) -> bool:
    """Whether the pages this run is to write of a record are there already."""
    from defaceqa.report import is_drawn

    return is_drawn(record, out, pair.name.text, with_faces=pages.with_faces)


def write_group_pages(out: Path, pages: Pages) -> tuple[str, ...]:
    """Write the page of the data set, one per modality, and name the files.

    Raises
    ------
    OSError
    """
    from defaceqa.report import write_group_report

    return tuple(page.name for page in write_group_report(out, with_faces=pages.with_faces))
