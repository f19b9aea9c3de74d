"""Pages over stored runs in a browser, and the HTTP API behind them: `equipoise view`."""
