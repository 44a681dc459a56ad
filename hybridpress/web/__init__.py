"""The live page: a server in a process of its own, beside the run. The run tells it what happens, and obeys it.

Neither knows more of the other than the link between them (`link`): what the page, its viewers or their networks do
cannot hold up the run. Of `hybridpress run --ui` the page's process is a child of the run; `hybridpress ui` is the
page, and each run a child of it.
"""
