INSERT INTO countries (code, name) VALUES ('CH', 'Switzerland'), ('AT', 'Austria') ON CONFLICT (code) DO NOTHING;
UPDATE users SET country = 'CH' WHERE country IS NULL AND id BETWEEN 1 AND 10000;
WITH gone AS (DELETE FROM carts WHERE updated_at < now() - interval '90 days' RETURNING id) INSERT INTO cart_log SELECT id FROM gone;
