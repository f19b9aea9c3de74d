"""The mark of a synthetic picture, for people and machines that meet it without its data set.

It is the Digital Source Type of IPTC in XMP (Photo Metadata Standard 2023.1). Regulation (EU)
2024/1689, Article 50(2), asks for a mark in a machine-readable form.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import quoteattr

from equipoise.core.errors import shortened

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""Media that an algorithm made that was trained on other media."""

_MARKS = (b"digitalsourcetype/trainedAlgorithmicMedia", b"compositeWithTrainedAlgorithmicMedia")
_HEAD, _TAIL = 2**18, 2**16
"""Bytes at both ends of a file where the mark is looked for; writers put metadata there."""


def packet(generator: str = "", digest: str = "", seed: int | None = None, index: int = 0) -> str:
    """Return an XMP packet that says that a picture is synthetic, and where it comes from.

    Parameters
    ----------
    generator, digest : str
        Name and SHA-256 of the generator; left out where empty.
    seed, index : int
        Of the draw; left out without a seed.

    Examples
    --------
    >>> SOURCE_TYPE in packet("dcgan", "0c3b", 1, 5)
    True
    """
    properties = {"Iptc4xmpExt:DigitalSourceType": SOURCE_TYPE, "xmp:CreatorTool": "equipoise"}
    if generator:
        properties["dc:source"] = f"generator {shortened(generator)}, SHA-256 {digest}"
    if seed is not None:
        properties["dc:identifier"] = f"seed {seed}, index {index}"
    written = "\n".join(f"    {name}={quoteattr(text)}" for name, text in properties.items())
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
{written}/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def is_marked(content: bytes) -> bool:
    """Return whether bytes of a file hold the mark, uncompressed."""
    return any(mark in content for mark in _MARKS)


def count_marked(files: Iterable[Path]) -> int:
    """Return how many files say that they are synthetic.

    Both ends of each file are looked into. Marks in compressed text are not seen.

    Raises
    ------
    OSError
        When a file cannot be read.
    """
    count = 0
    for path in files:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            size = file.seek(0, 2)
            file.seek(max(size - _TAIL, 0))
            count += is_marked(head) or is_marked(file.read(_TAIL))
    return count
