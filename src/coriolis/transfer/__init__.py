"""The data path: reader agent → relay → writer agent, leaf lists, audits. Knows no cloud.

`process.run_copy_job` runs a job in a child process; `audit` re-reads a destination.
"""
