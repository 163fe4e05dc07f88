"""One paragraph for each topic, of however many tickets."""


def model(dbt, con):
    dbt.config(materialized="table")
    triage = dbt.ref("triage")
    return con.sql(
        """
        SELECT topic, count(*) AS tickets,
            llm_reduce(
                list(message ORDER BY id),
                'What do these customers want? One paragraph.',
                model_kwargs := {'max_tokens': 2000}
            ) AS digest
        FROM triage
        GROUP BY topic
        """
    )
