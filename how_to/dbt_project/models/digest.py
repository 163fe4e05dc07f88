"""One paragraph for each topic, of however many tickets."""


def model(dbt, con):
    dbt.config(materialized="table")
    triage = dbt.ref("triage")
    return con.sql(
        """
        SELECT topic, count(*) AS tickets,
            llm_reduce(list(message ORDER BY id), 'What do these customers want? One paragraph.') AS digest
        FROM triage
        GROUP BY topic
        """
    )
