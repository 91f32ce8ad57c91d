-- expect 1: long-identifier
CREATE INDEX CONCURRENTLY IF NOT EXISTS shipments_customer_id_warehouse_id_status_shipped_at_partial_unique_idx ON shipments (customer_id);
