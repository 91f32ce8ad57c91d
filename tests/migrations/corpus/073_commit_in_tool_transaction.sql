-- transaction: yes
-- expect 1: nested-transaction
-- expect 3: nested-transaction
BEGIN;
UPDATE flags SET enabled = true WHERE name = 'new-checkout';
COMMIT;
