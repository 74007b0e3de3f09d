"""Pages that mkdocs makes of other files while it builds: the README, the guides, the reference, a table.

Links in a source are those of the repository, where they lead to files; on the site they lead to pages.
"""

import posixpath
import re
from pathlib import Path

import api
import guide
import papers
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<=\]\()([\w./-]+)(?=[#)])")
PAPERS = "<!-- papers -->"  # where the table of published configurations belongs
SOURCES = {"README.md": "index.md"}  # of pages, relative to the repository and to docs/


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Finds the guides, and lists the pages of the reference in the navigation."""
    SOURCES.update({f"guides/{path.name}": f"guides/{path.stem}.md" for path in ROOT.glob("guides/*.py")})
    reference = [{module: api.page(module)[0]} for module in api.namespaces()]
    config.nav = [{"API": reference} if "API" in item else item for item in config.nav]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not files in docs/, and the guides as notebooks."""
    pages = dict(map(api.page, api.namespaces()))
    for source, page in SOURCES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source.endswith(".py"):
            notebook = page.replace(".md", ".ipynb")
            pages[notebook] = guide.notebook(text)
            text = guide.markdown(text, posixpath.basename(notebook))
        pages[page] = text
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links to files of the repository into links to their pages, and drops the mark of long blocks.

    The mark, a second word after the language, tells the tests not to run a block.
    """
    here = page.file.src_uri
    sources = {page: source for source, page in SOURCES.items()}
    folder = posixpath.dirname(sources.get(here, f"docs/{here}"))

    def on_site(link: re.Match) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[1]))
        target = SOURCES.get(target, target.removeprefix("docs/"))
        is_page = files.get_file_from_path(target)
        return posixpath.relpath(target, posixpath.dirname(here) or ".") if is_page else link[1]

    markdown = LINK.sub(on_site, markdown.replace(PAPERS, papers.table()))
    return re.sub(r"^(```\w+) long$", r"\1", markdown, flags=re.MULTILINE)
