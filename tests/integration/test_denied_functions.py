"""Each function of an engine that may do more than read is denied, or was judged harmless by name."""

from __future__ import annotations

import duckdb
import pytest

from flowc.compiler.sql.denied import denied
from tests.stores import Store

# Volatile because they read what changes, wait, or are handlers that SQL cannot call; `setseed` sets random() alone.
POSTGRES = """
amvalidate bernoulli brinhandler bthandler clock_timestamp current_query currtid2 currval dsnowball_init
dsnowball_lexize gen_random_uuid ginhandler gisthandler hashhandler heap_tableam_handler lastval lo_close lo_get
lo_lseek lo_lseek64 lo_tell lo_tell64 loread pg_blocking_pids pg_collation_actual_version pg_control_checkpoint
pg_control_init pg_control_recovery pg_control_system pg_current_logfile pg_current_wal_flush_lsn
pg_current_wal_insert_lsn pg_current_wal_lsn pg_database_collation_actual_version pg_database_size
pg_get_backend_memory_contexts pg_get_multixact_members pg_get_shmem_allocations pg_get_wal_replay_pause_state
pg_get_wal_resource_managers pg_indexes_size pg_is_in_recovery pg_is_wal_replay_paused
pg_isolation_test_session_is_blocked pg_jit_available pg_last_committed_xact pg_last_wal_receive_lsn
pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_lock_status pg_notification_queue_usage pg_partition_ancestors
pg_partition_tree pg_prepared_xact pg_relation_size pg_replication_origin_progress
pg_replication_origin_session_is_setup pg_replication_origin_session_progress pg_safe_snapshot_blocking_pids
pg_sequence_last_value pg_show_replication_origin_status pg_sleep pg_sleep_for pg_sleep_until pg_stat_clear_snapshot
pg_stat_force_next_flush pg_stat_get_recovery_prefetch pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit
pg_stat_get_xact_function_calls pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time
pg_stat_get_xact_numscans pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched
pg_stat_get_xact_tuples_hot_updated pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_returned
pg_stat_get_xact_tuples_updated pg_stat_have_stats pg_table_size pg_tablespace_size pg_total_relation_size
pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_xact_status plpgsql_call_handler plpgsql_inline_handler
plpgsql_validator random setseed spghandler system timeofday txid_status
"""
# Table functions, and functions that are volatile. They read the catalog, make rows, or wait.
DUCKDB = """
current_connection_id current_query current_query_id current_transaction_id currval disable_profiling
duckdb_approx_database_count duckdb_available_metrics duckdb_columns duckdb_connection_count duckdb_constraints
duckdb_coordinate_systems duckdb_databases duckdb_dependencies duckdb_dialects duckdb_eviction_queues
duckdb_extension_repositories duckdb_extensions duckdb_external_file_cache duckdb_external_resource_types
duckdb_external_resources duckdb_functions duckdb_grammar_extensions duckdb_indexes duckdb_keywords
duckdb_live_query_metrics duckdb_log_contexts duckdb_logs duckdb_logs_parsed duckdb_memory duckdb_optimizers
duckdb_prepared_statements duckdb_profiling_settings duckdb_schemas duckdb_secret_type_parameters duckdb_secret_types
duckdb_secrets duckdb_sequences duckdb_settings duckdb_table_sample duckdb_tables duckdb_temporary_files
duckdb_triggers duckdb_types duckdb_variables duckdb_views error gen_random_uuid generate_series
histogram histogram_values icu_calendar_names json_each json_tree pg_timezone_names pragma_collations
pragma_database_size pragma_metadata_info pragma_platform pragma_show pragma_storage_info pragma_table_info
pragma_user_agent pragma_version random range repeat repeat_row setseed sleep_ms stats summary test_all_types
test_vector_types unnest uuid uuidv4 uuidv7 vector_type which_secret
"""
# All that compute, ask for state of the session or the server, or wait.
MARIADB = """
abs acos adddate addtime add_months aes_decrypt aes_encrypt asin atan atan2 benchmark bin binlog_gtid_pos bit_and
bit_count bit_length bit_or bit_xor cast ceil ceiling character_length char_length chr coalesce coercibility collation
column_check column_exists column_json column_list compress concat concat_operator_oracle concat_ws connection_id conv
convert_tz cos cot count crc32 crc32c cume_dist curdate curtime database datediff date_add date_format date_sub
dayname dayofmonth dayofweek dayofyear decode decode_histogram decode_oracle degrees dense_rank des_decrypt
des_encrypt elt encode encrypt exp export_set extract extractvalue field find_in_set first_value floor format
found_rows from_base64 from_days from_unixtime greatest group_concat hex ifnull inet6_aton inet6_ntoa inet_aton
inet_ntoa instr isnull is_free_lock is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_used_lock json_array
json_arrayagg json_array_append json_array_insert json_compact json_contains json_contains_path json_depth
json_detailed json_equals json_exists json_extract json_insert json_keys json_length json_loose json_merge
json_merge_patch json_merge_preserve json_normalize json_object json_objectagg json_overlaps json_pretty json_query
json_quote json_remove json_replace json_search json_set json_type json_unquote json_valid json_value lag last_day
last_insert_id lcase lead least length lengthb ln locate log log10 log2 lower lpad lpad_oracle ltrim ltrim_oracle
makedate maketime make_set master_gtid_wait master_pos_wait max md5 median microsecond mid min mod monthname
name_const natural_sort_key now nth_value ntile nullif nvl nvl2 oct octet_length old_password ord password
percentile_cont percentile_disc percent_rank period_add period_diff pi position pow power quarter quote radians rand
random_bytes rank regexp_instr regexp_replace regexp_substr replace_oracle reverse round row_count rpad rpad_oracle
rtrim rtrim_oracle schema schemas sec_to_time session_user sformat sha sha1 sha2 sign sin sleep soundex space sqrt std
stddev stddev_pop stddev_samp strcmp str_to_date subdate substr substring substring_index substr_oracle subtime sum
system_user sys_guid tan timediff time_format time_to_sec to_base64 to_char to_days to_seconds trim trim_oracle ucase
uncompress uncompressed_length unhex unix_timestamp updatexml upper uuid uuid_short variance var_pop var_samp version
week weekday weekofyear wsrep_last_seen_gtid wsrep_last_written_gtid wsrep_sync_wait_upto_gtid yearweek
"""


def _judged(engine: str, harmless: str, found: set[str]) -> None:
    unknown = found - denied(engine).keys() - set(harmless.split())
    assert not unknown, f"deny them in flowc/compiler/sql/denied/{engine}.txt, or list them here: {sorted(unknown)}"


def test_each_volatile_function_of_postgres_is_denied_or_harmless(postgres: str, tmp_path) -> None:
    """Of servers of later versions, functions that no list has are found here."""
    rows = Store("postgres", tmp_path, postgres).raw(
        "SELECT proname FROM pg_proc WHERE provolatile = 'v' AND pronamespace = 'pg_catalog'::regnamespace "
        "AND prorettype <> 'trigger'::regtype"
    )
    assert len(rows) > 150
    _judged("postgres", POSTGRES, {name for (name,) in rows})


def test_each_function_of_duckdb_that_may_act_is_denied_or_harmless() -> None:
    rows = duckdb.connect().execute(
        "SELECT function_name FROM duckdb_functions() WHERE function_type <> 'pragma' "
        "AND (has_side_effects OR stability = 'VOLATILE' OR function_type IN ('table', 'table_macro'))"
    )
    found = {name for (name,) in rows.fetchall()}
    assert len(found) > 50
    _judged("duckdb", DUCKDB, found)


def test_each_function_of_mariadb_is_denied_or_harmless(mysql: str, tmp_path) -> None:
    store = Store("mysql", tmp_path, mysql)
    if not store.raw("SHOW TABLES FROM information_schema LIKE 'SQL_FUNCTIONS'"):
        pytest.skip("MySQL and MariaDB before 10.6 list no functions")
    found = {name.lower() for (name,) in store.raw("SELECT function FROM information_schema.sql_functions")}
    assert len(found) > 200
    _judged("mysql", MARIADB, found)
