-- transaction: yes
-- expect 1: refused-in-transaction
create index concurrently orders_customer_idx on orders (customer_id);
