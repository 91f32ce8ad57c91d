BEGIN;
CREATE TABLE invoices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL,
    total numeric(12, 2) NOT NULL
);
CREATE INDEX invoices_order_idx ON invoices (order_id);
CREATE UNIQUE INDEX ON invoices (order_id, total);
COMMIT;
