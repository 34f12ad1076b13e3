"""Questions to the log of a sweep, with data frames and in SQL."""

import tempfile

import duckdb

import search

with tempfile.TemporaryDirectory() as folder:
    run = search.sweep("smoke", "digits", folder=f"{folder}/run", executor="serial", progress=False)
    log = run.log()
    print(log.groupby("epochs")["val_cost"].min())
    print(
        duckdb.sql(
            "SELECT batch_size, min(val_cost) AS best, count(*) AS trials "
            f"FROM '{folder}/run/trials/*.parquet' GROUP BY batch_size ORDER BY batch_size"
        )
    )
