-- transaction: no
-- expect 2: unrepeatable-statement
-- expect 4: unrepeatable-statement
-- expect 5: unrepeatable-statement
SET lock_timeout = '1s';
ALTER TABLE users ADD COLUMN city text;
ALTER TABLE users ADD COLUMN IF NOT EXISTS street text;
CREATE TABLE towns (id bigint PRIMARY KEY);
CREATE TYPE size AS ENUM ('s', 'm');
