-- expect 1: domain-constraint
-- expect 3: domain-revalidation, missing-lock-timeout, missing-statement-timeout
CREATE DOMAIN positive AS bigint CHECK (VALUE > 0);
CREATE DOMAIN email AS text;
ALTER DOMAIN email ADD CONSTRAINT has_at CHECK (VALUE ~ '@');
