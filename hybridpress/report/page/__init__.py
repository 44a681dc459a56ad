"""Results as pages: one HTML file each, with all that it needs, that opens without a network.

Charts, tables and colours are scripts and styles of our own beside this file; `document` puts them and the data in one.
"""

from hybridpress.report.page.compare import comparison_page
from hybridpress.report.page.file import HtmlFile, write_page
from hybridpress.report.page.report import report_page

__all__ = ["HtmlFile", "comparison_page", "report_page", "write_page"]
