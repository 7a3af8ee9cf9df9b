"""How the site is built from this folder: `make docs`. See decisions/0026."""

from pathlib import Path

from sphinx.application import Sphinx

from tools.contracts import write
from tools.site import pages

project = "Comeback"
author = "the Comeback project"
extensions = ["myst_parser"]
exclude_patterns = ["contracts/map.md"]  # the events page says the same, with a picture that needs no script

myst_enable_extensions = ["colon_fence", "attrs_inline"]
myst_heading_anchors = 3
suppress_warnings: list[str] = []  # each warning is a mistake: the build is strict
nitpicky = True

html_theme = "furo"
html_title = "Comeback"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}


# Their lists of pages are tables that also read well elsewhere; the navigation needs one of its own.
LISTS = ("decisions/README", "runbooks/README")
FOLDERS = ("decisions/", "runbooks/")
TOCTREE = "\n```{{toctree}}\n:hidden:\n:glob:\n{caption}\n\n{pages}\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _write_reference)
    app.connect("source-read", _add_navigation)


def _write_reference(app: Sphinx) -> None:
    write(Path(app.srcdir) / "reference", pages())


def _add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    if name in LISTS:
        source[0] += TOCTREE.format(caption="", pages="*")
    elif name == "index" and (left := _unlisted(app.env.found_docs, source[0])):
        source[0] += TOCTREE.format(caption=":caption: More", pages="\n".join(left))


def _unlisted(names: set[str], index: str) -> list[str]:
    """Pages that index.md does not name and no other list has: nobody would find them."""
    listed = {"index", *index.split()}
    return sorted(name for name in names if name not in listed and not name.startswith(FOLDERS))
