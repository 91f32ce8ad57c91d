-- expect 2: truncate-cascade
-- expect 3: truncated-table
SET lock_timeout = '1s';
TRUNCATE TABLE customers RESTART IDENTITY CASCADE;
TRUNCATE ONLY sessions;
