"""Tables of checks: equal kinds are folded under the worst, and names break between words."""

import re

from equipoise.core.checks import Check, Evidence
from equipoise.core.estimates import Estimate
from equipoise.report.html import environment

TIPS = [
    Check(
        check_id=f"abstention_gap:{name}",
        title=f"Is it equal over {name}?",
        outcome="tip",
        words=f"Take more images for {name}.",
        evidence=Evidence(estimate=Estimate(size)),
    )
    for name, size in (("cells", 0.0), ("gender", 0.2), ("skin_tone", -0.1))
]


def test_tips_of_a_kind_are_one_row_the_worst_first() -> None:
    source = '{%- from "audit_parts.jinja" import check_table -%}{{ check_table(checks) }}'
    html = environment().from_string(source).render(checks=TIPS)
    assert html.count("<tr") == 2
    shown, folded = html.split("<details>")
    assert "gender" in shown and "skin_tone" not in shown
    assert "<summary>2 more of this kind" in folded
    assert folded.index("over skin_tone?") < folded.index("over cells?")
    assert "abstention_<wbr>gap:<wbr>gender" in html
    for check in TIPS:
        assert check.words in html and check.check_id in re.sub("<wbr>", "", html)
