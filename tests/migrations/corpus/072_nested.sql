-- expect 2: nested-transaction
-- expect 5: nested-transaction
-- transaction: no
START TRANSACTION;
BEGIN WORK;
INSERT INTO flags (name) VALUES ('new-checkout');
COMMIT;
COMMIT;
