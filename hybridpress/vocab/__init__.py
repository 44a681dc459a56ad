"""Word tables: the parameters of iterations."""
