-- expect 3: rewriting-column
SET lock_timeout = '2s';
SET statement_timeout = '5min';
ALTER TABLE customers ADD COLUMN public_id uuid NOT NULL DEFAULT gen_random_uuid();
