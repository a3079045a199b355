"""axe-core in the page: what it finds against WCAG 2.2 AA and its best practices."""

from __future__ import annotations

from functools import cache

from playwright.sync_api import Page

from scripts.node_tools import install
from tests.browser.servers import ROOT

_RUN = """async () => {
  const {violations} = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]});
  return violations.flatMap(({id, help, nodes}) =>
    nodes.map(({target, failureSummary}) => `${id}: ${help}: ${target}: ${failureSummary}`));
}"""


@cache
def _source() -> str:
    return (install(ROOT / "tests/tools") / "axe-core/axe.min.js").read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """Return what axe finds on the page as it is now."""
    page.evaluate(_source() + "; null")
    page.wait_for_function("document.getAnimations().every(it => it.playState !== 'running')")
    return [str(line) for line in page.evaluate(_RUN)]
