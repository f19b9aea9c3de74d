"""Configuration of the documentation site; `make docs` builds it into site/."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The site shows public names alone: nothing of the machine that built it.
os.environ["COLUMNS"] = "100"

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import equipoise  # noqa: E402

project = "Equipoise"
author = "The Equipoise developers"
copyright = "the Equipoise developers"
version = release = equipoise.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "command_line",
    "public_names",
    "repository_links",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_*", "gallery/**/*.ipynb", "gallery/**/*.py", "pictures/*.py"]
templates_path = ["_templates"]
nitpicky = False
# Two hyphens are those of an option.
smartquotes = False

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "write_computation_times": False,
    "show_signature": False,
    "capture_repr": (),
    "remove_config_comments": True,
    "min_reported_time": 1,
    # One failing example fails the build, after all others have run.
    "abort_on_example_error": False,
    "log_level": {"backreference_missing": "info"},
}

html_theme = "pydata_sphinx_theme"
html_title = f"Equipoise {release}"
html_static_path = ["_static"]
html_css_files = ["equipoise.css"]
html_show_sourcelink = False
# Pages without others below them need no navigation at their left.
html_sidebars = {
    page: [] for page in ("index", "tutorial", "faithfulness", "glossary", "changelog")
}
html_copy_source = False
html_theme_options = {
    "logo": {"text": "Equipoise"},
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_prev_next": True,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "secondary_sidebar_items": ["page-toc"],
}
