"""Evidence people can look at: a page per scan and a page per data set, each one file that needs no network.

Data first, then template: a record (the JSON) becomes a dictionary, the dictionary a page. `pictures` alone decides
which pixels of a scan may be seen.
"""

from defaceqa.report.drawn import DrawnScan, draw_scan, is_drawn, remove_scan, write_scan
from defaceqa.report.group import write_group_report
from defaceqa.report.place import check_place
from defaceqa.report.scan import write_report, write_report_from_record

__all__ = [
    "DrawnScan",
    "check_place",
    "draw_scan",
    "is_drawn",
    "remove_scan",
    "write_group_report",
    "write_report",
    "write_report_from_record",
    "write_scan",
]
