"""Facts become text: diagnostics, failures, plans, graphs and summaries. Nothing here prints."""
