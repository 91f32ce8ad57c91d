-- expect 1: blocking-index, missing-lock-timeout, missing-statement-timeout
CREATE INDEX orders_customer_idx ON orders (customer_id);
