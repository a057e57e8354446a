"""One HTML file that shows projects: what was recorded and found, and how to repeat it."""

from element_facerhythm.report.facts import ProjectFacts, gather_facts
from element_facerhythm.report.html import Section, html_page
from element_facerhythm.report.project_page import project_sections, report_page

__all__ = [
    "ProjectFacts",
    "Section",
    "gather_facts",
    "html_page",
    "project_sections",
    "report_page",
]
