-- expect 1: dropped-schema, missing-lock-timeout
-- expect 2: dropped-database
DROP SCHEMA IF EXISTS staging CASCADE;
DROP DATABASE IF EXISTS reporting;
