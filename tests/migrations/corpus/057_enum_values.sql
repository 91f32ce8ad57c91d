-- expect 1: unordered-enum-value
ALTER TYPE public.order_status ADD VALUE IF NOT EXISTS 'refunded';
ALTER TYPE public.order_status ADD VALUE IF NOT EXISTS 'packed' BEFORE 'sent';
