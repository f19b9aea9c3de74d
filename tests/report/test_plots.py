from xml.etree import ElementTree

from equipoise.report.plots import confusion_map, share_bars

SHARES = [
    {
        "name": "smiling=no",
        "share": 0.8,
        "low": 0.7,
        "high": 0.9,
        "target": 0.5,
        "joint": [0.6, 0.9],
    },
    {"name": "smiling=yes", "share": None, "low": None, "high": None, "target": 0.5, "joint": None},
]


def test_bars_are_svg_with_every_name_and_the_target() -> None:
    text = share_bars([("prior", SHARES), ("shift", SHARES)])
    ElementTree.fromstring(text)
    for said in ("smiling=no", "smiling=yes", "prior", "shift", "target"):
        assert said in text
    assert text == share_bars([("prior", SHARES), ("shift", SHARES)])


def test_a_map_tells_shares_of_rows() -> None:
    text = confusion_map(["a", "b"], [[9, 1, 0], [0, 0, 0]])
    ElementTree.fromstring(text)
    assert "90%" in text
    assert "10%" in text
