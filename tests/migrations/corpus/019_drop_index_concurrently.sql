-- expect 2: unrepeatable-statement
DROP INDEX CONCURRENTLY IF EXISTS users_email;
DROP INDEX CONCURRENTLY users_name;
